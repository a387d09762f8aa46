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
from treering.client.errors import ApiError, NotRunning, Unreachable
from treering.config import DEFAULT_PORT, Home

if TYPE_CHECKING:
    from treering.adapters.findings import Check, Finding

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
            print(line(one))
    bad = sum(1 for one in found if one.state == "wrong")
    context.exit(1 if bad else 0)


def line(one: Finding) -> str:
    mark = {"ok": "ok     ", "warning": "WARNING", "wrong": "WRONG  "}[one.state]
    said = f"{mark} {one.check:<12} {one.found}"
    return f"{said}\n{'':20} -> {one.advice}" if one.advice else said


def examined(session: Session) -> Iterator[Finding]:
    """All checks, one after the other; one that fails itself is a finding, and the others go on."""
    from treering.adapters import doctor_log, doctor_machine, doctor_server, doctor_store
    from treering.adapters.findings import wrong

    home = Home(session.home.absolute())
    checks: dict[str, Check] = {
        "home": doctor_store.installation,
        "disk": doctor_machine.disk,
        "clock": doctor_machine.clock,
        "keys": doctor_machine.keys,
        "program": doctor_server.program,
        "server": doctor_server.server,
        "copy": doctor_store.copy,
        "log": doctor_log.log,
        "witnesses": doctor_log.witnesses,
        "names": doctor_store.names,
        "views": doctor_store.views,
        "tools": doctor_machine.tools,
        "containment": doctor_machine.containment,
        "gateway": lambda home: gateway(session),
    }
    for name, check in checks.items():
        try:
            yield from check(home)
        except Exception as error:
            yield wrong(name, f"it could not be checked: {type(error).__name__}: {error}", "treering doctor --debug")
            if session.debug:
                raise


def gateway(session: Session) -> Iterator[Finding]:
    """Does it answer, and is every part ready; where it does not run, is its port free."""
    from treering.adapters.findings import ok, warning, wrong

    try:
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
                yield warning("ready", f"{name}: {part['why']}", "start what does not answer")
            case _:
                yield ok("ready", name)
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
