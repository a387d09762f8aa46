"""``python -m treering_services up`` runs everything; ``... NAME`` one service; both until told to stop."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from treering.adapters.sandbox.choose import CHOICES
from treering.config import DEFAULT_PORT, Home, default_home
from treering.telemetry import configure_logging

NAMES = ("up", "nats", "registry", "gateway", "scheduler", "executor", "monitor", "notifier")
PORT_MAX = 65_535
NATS_OWNERS = ("up", "nats")


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(prog="treering", description=__doc__)
    names = root.add_subparsers(dest="name", required=True, metavar="{" + ",".join(NAMES) + "}")
    for name in NAMES:
        sub = names.add_parser(name)
        sub.add_argument("--home", type=Path, default=default_home(), help="where the installation keeps its data")
        place = sub.add_mutually_exclusive_group()
        place.add_argument("--moved", action="store_true", help="this home was moved here, and goes on as the same")
        if name == "up":
            place.add_argument(
                "--new-epoch", action="store_true", help="this home is a copy: go on as a log with a key of its own"
            )
        help = argparse.SUPPRESS if name in NATS_OWNERS else "NATS servers (default: the home's)"
        sub.add_argument("--nats", action="append", default=[], metavar="URL", help=help)
        if name in ("up", "gateway"):
            sub.add_argument("--host", default="127.0.0.1", help="address to listen on")
            sub.add_argument("--port", type=port, default=DEFAULT_PORT, help="0 takes a free one")
            sub.add_argument("--auth", choices=("token", "none"), default="token", help="none: on loopback only")
        if name in ("up", "notifier", "executor"):
            sub.add_argument(
                "--allow-address", action="append", default=allowed_addresses(), metavar="IP[/BITS]",
                help="webhooks and inputs may lead there although it is no public address (127.0.0.1, say)",
            )  # fmt: skip
        if name == "nats":
            sub.add_argument("--host", default="127.0.0.1", help="address to listen on")
            sub.add_argument("--port", type=port, default=0, help="0 keeps the last one, or takes a free one")
            sub.add_argument("--node", default="", help="this server's name in a cluster")
            sub.add_argument("--route", action="append", default=[], metavar="HOST:PORT", help="every server of it")
            sub.add_argument("--cluster-port", type=port, default=6222)
        if name in ("up", "executor"):
            sub.add_argument("--slots", type=int, default=os.cpu_count() or 1, help="commands at a time")
            sub.add_argument(
                "--sandbox", choices=CHOICES, default=None,
                help="what keeps jobs apart; auto (the default) takes the best that works here",
            )  # fmt: skip
            sub.add_argument(
                "--show-path", action="append", default=[], metavar="PATH[:rw]",
                help="show this path of the machine to every job, read-only unless :rw is added",
            )  # fmt: skip
        if name == "executor":
            sub.add_argument("--node", default="local", help="this node's name")
            sub.add_argument("--compute", default="local", help="the compute target it joins")
            sub.add_argument("--workspace", "-w", default="main")
    return root


def port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and int(text) <= PORT_MAX):
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is no port: a whole number from 0 to {PORT_MAX}")
    return int(text)


def allowed_addresses() -> list[str]:
    """``TREERING_ALLOW_ADDRESSES``: the same as ``--allow-address``, with commas between."""
    return [one.strip() for one in os.environ.get("TREERING_ALLOW_ADDRESSES", "").split(",") if one.strip()]


def main(arguments: list[str] | None = None) -> int:
    arguments_of = parser()
    options = arguments_of.parse_args(arguments)
    if options.nats and options.name in NATS_OWNERS:
        instead = "with servers elsewhere run one process a service: treering service NAME --nats URL"
        arguments_of.error(f"--nats: {options.name} runs a nats-server of its own; {instead}")
    configure_logging(options.name)
    from treering_services import hosting

    return hosting.host(options, Home(options.home.absolute()))


if __name__ == "__main__":
    sys.exit(main())
