"""``treering audit prove`` and ``audit check``: an event in a file, checked with nothing but the log's public key."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from treering.cli.lazy import Verb, common_options
from treering.cli.session import Session
from treering.cli.terminal import put
from treering.kernel.refusal import Refused, os_words

if TYPE_CHECKING:  # most commands have nothing to verify
    from treering.adapters.named_proofs import Named
    from treering.adapters.proofs import Extended, Included
    from treering.adapters.signing import VerifierKey

STDOUT = "-"


class PositionType(click.ParamType[int]):
    """A position of the log."""

    name = "position"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value)
        if not (text.isascii() and text.isdecimal() and len(text) < 16 and int(text)):
            self.fail(f"{text[:40]!r} is no position: a whole number from 1 on (`treering story`)", param, ctx)
        return int(text)


class FileVerb(click.Command):
    """A command with the common options, whose ``-o`` is the file it writes."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.params += [option for option in common_options() if option.name != "output"]


@click.command("prove", cls=FileVerb)
@click.argument("resource", metavar="KIND/NAME")
@click.option("--event", type=PositionType(), help="The event at this position (story shows it); or the newest.")
@click.option("--names", is_flag=True, help="Also prove the name of who did it; without, the file has no names.")
@click.option("-o", "--out", "file", metavar="FILE", required=True, help="Where the proof goes; - is standard output.")
@click.pass_obj
def prove(session: Session, resource: str, event: int | None, names: bool, file: str) -> None:
    """Write a file that proves an event of a resource to anybody who has the log's key."""
    from treering.adapters.named_proofs import check_any

    with session.client() as client:
        data = client.get_bytes(f"{session.address(resource)}/proof", event=event or 0, names=names or None)
        key = key_of(session, client.get("/v1/log/checkpoint")["key"])
    found = check_any(data, key)
    write(file, data)
    if file != STDOUT:
        session.show({"file": file, **proven(found), "key": str(key)})


@click.command("check", cls=Verb)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--key", metavar="VKEY|FILE", help="The log's public key (log key); that of this home by default.")
@click.pass_obj
def check(session: Session, file: Path, key: str | None) -> None:
    """Check a proof file, without a server; exit 1 when it does not hold."""
    from treering.adapters.named_proofs import check_any
    from treering.adapters.proofs import PROOF_BYTES_MAX

    with file.open("rb") as opened:
        data = opened.read(PROOF_BYTES_MAX + 1)
    session.show(proven(holding(lambda verifier: check_any(data, verifier), key_of(session, key))))


def holding(checked: Any, key: VerifierKey) -> Any:
    """What ``checked`` returns; ``Refused("proof.invalid")`` when the proof does not hold."""
    from treering.adapters.notes import NoteInvalid
    from treering.kernel.merkle import ProofInvalid

    try:
        return checked(key)
    except (NoteInvalid, ProofInvalid) as error:
        raise Refused("proof.invalid", f"the proof does not hold: {error}") from None


def key_of(session: Session, key: str | None = None) -> VerifierKey:
    """The key that was said, as text or in a file; without one, that of this home."""
    from treering.adapters.notes import NoteInvalid
    from treering.adapters.signing import LOG_KEY_FILE, parse_verifier_key, read_log_key
    from treering.config import Home

    if not key:
        keys = Home(session.home.absolute()).keys
        if not (keys / LOG_KEY_FILE).exists():
            raise Refused(
                "proof.key", "say the log's public key with --key: where the log is, `treering log key` shows it"
            )
        return read_log_key(keys).verifier
    try:
        return parse_verifier_key(Path(key).read_text() if "+" not in key else key)
    except (NoteInvalid, OSError, UnicodeDecodeError) as error:
        raise Refused("proof.key", f"--key is not a key: {error}") from None


def proven(found: Included | Extended | Named) -> dict[str, Any]:
    """What a proof shows, in words."""
    from treering.adapters.named_proofs import Named
    from treering.adapters.proofs import Included

    if isinstance(found, Named):
        return {**included(found.event), "actor_name": found.name, "named_at": found.told_at}
    return included(found) if isinstance(found, Included) else extended(found)


def included(found: Included) -> dict[str, Any]:
    """What a proof of an event shows, in words."""
    import msgspec

    return {
        "proven": True,
        "resource": str(found.address),
        "workspace": found.address.workspace,
        "position": found.entry.position,
        "at": found.commit.at.isoformat(),
        "actor": found.commit.actor,
        **({"via": found.commit.via} if found.commit.via else {}),
        "events": msgspec.json.decode(found.commit.events),
        "log": found.head.origin,
        "size": found.head.size,
    }


def extended(found: Extended) -> dict[str, Any]:
    """What a proof of consistency shows, in words."""
    return {"proven": True, "log": found.new.origin, "old_size": found.old.size, "new_size": found.new.size}


def write(file: str, data: bytes) -> None:
    if file == STDOUT and sys.stdout.isatty():
        put(data.decode(errors="replace"), end="")
        return
    if file == STDOUT:
        sys.stdout.buffer.write(data)
        return
    try:
        Path(file).write_bytes(data)
    except OSError as error:
        raise Refused("file.unwritable", os_words(error)) from None
