"""``treering up`` and ``treering service``: this process becomes the service, so signals and exit code are its own.

The options are read there (``python -m treering_services``) and go through unchanged.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import click

from treering.cli.session import Session
from treering.config import SERVICES, default_home

PASSED_ON = {"ignore_unknown_options": True, "help_option_names": list[str]()}


def become(context: click.Context, arguments: tuple[str, ...]) -> NoReturn:
    """Replace this process by ``python -m treering_services`` with ``arguments``."""
    home = context.ensure_object(Session).home
    at_home = ["--home", str(home)] if home != default_home() and "--home" not in arguments else []
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *SERVICES, *arguments, *at_home])


@click.command("up", context_settings=PASSED_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def up(context: click.Context, arguments: tuple[str, ...]) -> None:
    """Run everything on this machine, until it is told to stop."""
    become(context, ("up", *arguments))


@click.command("service", context_settings=PASSED_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def service(context: click.Context, arguments: tuple[str, ...]) -> None:
    """Run one service of an installation: nats, registry, gateway, scheduler, executor, monitor or notifier."""
    become(context, arguments or ("--help",))
