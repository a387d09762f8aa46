"""``treering doctor``: what is wrong with an installation and what to do, running or not. It changes nothing."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import click

from treering.cli.lazy import Verb
from treering.cli.session import Session
from treering.cli.terminal import put
from treering.client.errors import ApiError, NotRunning, Unreachable
from treering.config import DEFAULT_PORT, Home

if TYPE_CHECKING:
    from treering.adapters.findings import Finding

COLUMNS = {"State": "state", "Check": "check", "Found": "found", "WhatToDo": "advice"}


@click.command("doctor", cls=Verb)
@click.pass_context
def doctor(context: click.Context) -> None:
    """Look for what is wrong, and say what to do (exit 1 when something is)."""
    import msgspec

    from treering.telemetry import configure_logging

    session = context.ensure_object(Session)
    configure_logging("doctor", default_level="critical")  # what a check meets is what it reports
    found = list(examined(session))
    rows = [{"advice": "", **msgspec.to_builtins(one)} for one in found]
    if session.output or session.query or not sys.stdout.isatty():
        session.table(rows, COLUMNS, whole=True)
    else:
        for one in found:
            put(line(one))
    bad = sum(1 for one in found if one.state == "wrong")
    context.exit(1 if bad else 0)


def line(one: Finding) -> str:
    mark = {"ok": "ok     ", "warning": "WARNING", "wrong": "WRONG  "}[one.state]
    said = f"{mark} {one.check:<12} {one.found}"
    return f"{said}\n{'':20} -> {one.advice}" if one.advice else said


def examined(session: Session) -> Iterator[Finding]:
    """All checks, one after the other; one that fails itself is a finding, and the others go on."""
    from treering.adapters.doctor import CHECKS, checked

    home = Home(session.home.absolute())
    for name, check in {**CHECKS, "gateway": lambda home: gateway(session)}.items():
        yield from checked(name, check, home, debug=session.debug)


def gateway(session: Session) -> Iterator[Finding]:
    """Does it answer, and is every part ready; where it does not run, is its port free."""
    from treering.adapters.doctor_ports import of_nodes
    from treering.adapters.findings import ok, warning, wrong
    from treering.cli.log import refuse_other_home

    try:
        refuse_other_home(session)
        with session.client() as client:
            said = client.get("/v1/status")
            url = client.connections.url
    except NotRunning:
        yield from ports()
        return
    except (Unreachable, ApiError) as error:
        yield wrong("gateway", error.detail, "look at what treering wrote where it was started, then start it again")
        return
    yield ok("gateway", f"answers at {url}")
    for name, part in said["parts"].items():
        match part.get("state", "ok"):
            case "wrong":
                yield wrong("ready", f"{name}: {part['why']}", "see the other lines; /readyz is 503 until it is well")
            case "warning":
                advice = "start what does not answer"
                if part.get("code") == "installation.alert":
                    advice = "`treering status` names each"
                yield warning("ready", f"{name}: {part['why']}", advice)
            case _:
                yield ok("ready", name)
    yield from of_nodes(said["nodes"])
    if not said["nodes"]:
        yield warning(
            "ready", "no node is online, so no job can run", "treering node join, or look at the executor's log"
        )


def ports() -> Iterator[Finding]:
    from treering.adapters.findings import ok, warning

    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", DEFAULT_PORT))
        except OSError as error:
            advice = "start treering with another --port, or end what listens there"
            yield warning("ports", f"127.0.0.1:{DEFAULT_PORT} is not free: {error.strerror}", advice)
        else:
            yield ok("ports", f"127.0.0.1:{DEFAULT_PORT} is free for the gateway")
