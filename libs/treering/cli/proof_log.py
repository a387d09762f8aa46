"""``treering log key``, ``checkpoint`` and ``consistency``: what is signed about the log, and that it only grew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from treering.cli.lazy import Verb
from treering.cli.proof import FileVerb, extended, holding, key_of, write
from treering.cli.session import Session
from treering.cli.terminal import put
from treering.client.errors import NotRunning
from treering.config import Home
from treering.kernel.refusal import Refused


@click.command("key", cls=Verb)
@click.option(
    "--new", is_flag=True, help="Set the key and the last checkpoint aside: the next start begins a new series."
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def key(session: Session, new: bool, yes: bool) -> None:
    """Show the log's public key, with which anybody checks a proof."""
    if new:
        session.show({"set_aside": set_aside(session, yes)})
        return
    try:
        put(key_of(session))
    except Refused:
        with session.client() as client:
            put(client.get("/v1/log/checkpoint")["key"])


def set_aside(session: Session, yes: bool) -> list[str]:
    from treering.adapters.checkpoints import set_series_aside
    from treering.adapters.log_check import clear_alarm
    from treering.adapters.witnesses import read_witnesses
    from treering.cli.log import refuse_running

    home = Home(session.home.absolute())
    refuse_running(session)
    if names := [witness.name for witness in read_witnesses(home)]:
        raise Refused(
            "log.witnessed",
            f"the witnesses {', '.join(names)} hold the old series: remove them first (it stays there as evidence)",
        )
    if not yes:
        question = f"Give up what was signed of the log of {home.root}? Auditors must be told, and given the new key."
        click.confirm(question, abort=True, err=True)
    moved = [str(path) for path in set_series_aside(home)]
    clear_alarm(home.copy)
    return moved


@click.command("checkpoint", cls=Verb)
@click.pass_obj
def checkpoint(session: Session) -> None:
    """Sign what the log is now and show it; where nothing runs, show what was signed last."""
    try:
        with session.client() as client:
            answer: dict[str, Any] = client.post("/v1/log/checkpoint", {"sign": True})
    except NotRunning:
        answer = last_signed(Home(session.home.absolute()))
    if session.output or session.query:
        session.show(answer)
    else:
        put(answer["note"], end="")


def last_signed(home: Home) -> dict[str, Any]:
    from treering.adapters.checkpoints import CHECKPOINT_FILE, log_key_of, read_own
    from treering.adapters.notes import to_base64
    from treering.kernel.log import LogDamaged

    try:
        own = read_own(home)
    except LogDamaged as error:
        raise Refused("log.damaged", str(error)) from None
    if own is None:
        raise Refused("log.absent", f"nothing was signed in {home.root} yet: the first start of treering does")
    origin, size, root = own.head
    note = (home.copy / CHECKPOINT_FILE).read_text()
    return {"origin": origin, "size": size, "root": to_base64(root), "key": str(log_key_of(home)), "note": note}


@click.command("consistency", cls=FileVerb)
@click.option(
    "--from", "old", metavar="SIZE|FILE", required=True, help="How many commits it had, or a checkpoint of then."
)
@click.option("--to", "new", metavar="SIZE|FILE", default="0", help="The same of later; by default all there is now.")
@click.option("-o", "--out", "file", metavar="FILE", help="Where the proof goes; audit check reads it.")
@click.option("--key", metavar="VKEY|FILE", help="The log's public key; that of this home by default.")
@click.pass_obj
def consistency(session: Session, old: str, new: str, file: str | None, key: str | None) -> None:
    """Prove that the log of a later checkpoint begins with the log of an earlier one: nothing was changed or cut."""
    from treering.adapters.proofs import checked_consistency, consistency_bytes, parse_consistency

    verifier = key_of(session, key)
    old_size, old_note = holding(lambda key: size_of(old, key), verifier)
    new_size, new_note = holding(lambda key: size_of(new, key), verifier)
    with session.client() as client:
        answer = client.get("/v1/log/consistency", old=old_size, new=new_size)
    proof = parse_consistency(answer["proof"].encode())
    # What the auditor holds counts, and not what the log says now that it said then.
    proof = proof._replace(old=old_note or proof.old, new=new_note or proof.new)
    found = holding(lambda key: checked_consistency(proof, key), verifier)
    if file:
        write(file, consistency_bytes(proof))
    session.show({**({"file": file} if file else {}), **extended(found)})


def size_of(text: str, key: Any) -> tuple[int, bytes]:
    """A size that was typed, or the size and bytes of the checkpoint in a file."""
    if text.isascii() and text.isdecimal():
        return int(text), b""
    path = Path(text)
    if not path.is_file():
        raise Refused("checkpoint.absent", f"{text[:80]!r} is neither a number of commits nor a file")
    note = path.read_bytes()
    return key.open_head(note).size, note
