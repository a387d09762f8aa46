"""``treering node``: the machines of a compute target, and how this machine becomes one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TextIO

import click

from treering.cli.kinds import NODE, group_of
from treering.cli.running import become
from treering.cli.session import Session
from treering.kernel.refusal import Refused

TOKEN_CHARACTERS_MAX = 1000
node = group_of(NODE)


@node.command("join")
@click.argument("url")
@click.option(
    "--token",
    envvar="TREERING_JOIN_TOKEN",
    help="The text of keys/join-token there. Others may read a command line: better in TREERING_JOIN_TOKEN, or:",
)
@click.option("--token-file", type=click.File(), help="The file that holds it; - is standard input.")
@click.option("-n", "--name", required=True, help="What this node is called.")
@click.option("--compute", required=True, help="The compute target it joins.")
@click.option("--slots", type=click.IntRange(min=1), default=os.cpu_count() or 1, help="Commands at a time.")
@click.option(
    "--allow-address",
    "allowed",
    multiple=True,
    metavar="IP[/BITS]",
    help="Inputs may be fetched from there although it is no public address.",
)
@click.pass_context
def join(
    context: click.Context,
    url: str,
    token: str | None,
    token_file: TextIO | None,
    name: str,
    compute: str,
    slots: int,
    allowed: tuple[str, ...],
) -> None:
    """Make this machine a node of the installation at URL, with its data in --home."""
    from treering.client.http import Client

    session = context.ensure_object(Session)
    if token_file is not None:
        token = token_file.read(TOKEN_CHARACTERS_MAX).strip()
    if not token:
        raise click.UsageError("the join token is missing: --token-file FILE, or TREERING_JOIN_TOKEN")
    home = session.home.absolute()
    refuse_other_home(home)
    with Client(url, token) as client:
        answer = client.post("/v1/nodes/join", {"workspace": session.workspace, "node": name})
    save(home, url, answer)
    servers = [word for server in answer["nats_urls"] for word in ("--nats", server)]
    settings = ["--node", name, "--compute", compute, "--workspace", session.workspace, "--slots", str(slots)]
    settings += [word for address in allowed for word in ("--allow-address", address)]
    become(context, ("executor", "--home", str(home), *settings, *servers))


def refuse_other_home(home: Path) -> None:
    """The home of an installation holds its owner's token: a node's must not take its place."""
    if (home / "keys" / "join-token").exists():
        raise Refused("node.home_taken", f"{home} is the home of an installation; give the node another with --home")


def save(home: Path, url: str, answer: dict[str, Any]) -> None:
    """Keep what the executor needs, readable by this user only."""
    import json

    from treering.adapters.nats_credentials import keys_folder, make_private_folder, write_private
    from treering.adapters.sums import write_kept

    make_private_folder(home)
    make_private_folder(keys_folder(home))
    credential = answer["credential"]
    write_kept(keys_folder(home) / "executor.json", json.dumps(credential).encode())
    write_kept(home / "token", answer["token"].encode())
    write_private(home / "url", url.encode())
