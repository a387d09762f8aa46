"""Witnesses: places of somebody else's that hold the newest checkpoint, so that nobody can set the log back alone.

Each checkpoint is compared with what a witness holds before it goes there, and what a witness holds is compared
with the log at every start.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from treering.adapters.checkpoints import Seen, opened, read_own
from treering.adapters.nats_credentials import write_private
from treering.adapters.notes import NOTE_BYTES_MAX
from treering.adapters.sealed_store import SealedStore
from treering.adapters.signing import VerifierKey, make_log_key
from treering.adapters.sums import write_kept
from treering.adapters.witness_git import GitWitness
from treering.adapters.witness_s3 import S3Keys, S3Witness, keys_of_environment, parsed
from treering.config import Home
from treering.domain.witness import Sort
from treering.kernel.decoding import decode
from treering.kernel.file_names import file_name
from treering.kernel.log import LogDamaged
from treering.kernel.refusal import Refused
from treering.kernel.subjects import checked_name, encode_token

WITNESSES_FILE = "witnesses.json"
LOCK_FILE = "witnesses.lock"
WITNESSES_MAX = 16


class WitnessUnreachable(Exception):
    """The witness does not answer, or what was written there is gone."""


class Witness(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """``target`` is a file's path, a repository or an object of a store. Without a ``required`` one nothing starts.

    ``written``: a checkpoint was written there once, so that it is not missing for being new.
    """

    name: str
    kind: Sort
    target: str
    required: bool = False
    written: bool = False


def read_witnesses(home: Home) -> list[Witness]:
    path = home.root / WITNESSES_FILE
    if not path.exists():
        return []
    try:
        return decode(path.read_bytes(), list[Witness], code="witness.malformed")
    except Refused as refused:
        raise Refused(refused.code, f"{path} is no list of witnesses: {refused.detail}") from None


@contextmanager
def changing(home: Home) -> Iterator[None]:
    """One change at a time: the command line and the monitor both make them."""
    with (home.root / LOCK_FILE).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_witnesses(home: Home, witnesses: list[Witness]) -> None:
    write_kept(home.root / WITNESSES_FILE, msgspec.json.format(msgspec.json.encode(witnesses)))


def add_witness(home: Home, kind: Sort, target: str, name: str, *, required: bool) -> Witness:
    """Remember a witness; Refused when it could not be one."""
    with changing(home):
        witness = new_witness(read_witnesses(home), kind, target, name, required=required)
        if witness.kind != "s3" and Path(place_of(witness)).is_relative_to(home.root.resolve()):
            why = f"{witness.target} lies in the home itself: whoever sets that back sets this back with it"
            raise Refused("witness.target", f"{why}; best take another machine's disk")
        if witness.kind == "s3":
            seal_keys(home, witness)
        write_witnesses(home, [*read_witnesses(home), witness])
    return witness


def new_witness(known: list[Witness], kind: Sort, target: str, name: str, *, required: bool) -> Witness:
    """A witness beside those that are ``known``; Refused when it could not be one."""
    name = checked_name(name) if name else f"{kind}-{1 + max((number_of(one) for one in known), default=0)}"
    if len(known) >= WITNESSES_MAX:
        raise Refused("witness.too_many", f"there are {len(known)} witnesses, at most {WITNESSES_MAX} are kept")
    if any(name == one.name for one in known):
        raise Refused("witness.exists", f"there is a witness {name!r}: remove it first, or take another name")
    witness = Witness(name, kind, absolute(kind, target), required)
    if any(place_of(witness) == place_of(one) for one in known):
        raise Refused("witness.exists", f"{witness.target} is a witness already")
    return witness


def place_of(witness: Witness) -> str:
    """Where it is, the same for each way to write it: a path may have ``..`` or a link in it."""
    is_path = witness.kind == "file" or Path(witness.target).exists()
    return os.path.realpath(witness.target) if is_path else witness.target


def number_of(witness: Witness) -> int:
    number = witness.name.rpartition("-")[2]
    return int(number) if number.isascii() and number.isdecimal() else 0


def absolute(kind: str, target: str) -> str:
    if kind == "git":
        return GitWitness.checked(target)
    if kind == "s3":
        return parsed(target).text
    path = Path(target).absolute()
    if path.is_dir() or not path.parent.is_dir():
        raise Refused(
            "witness.target", f"{path} must be a file in a folder that exists, best on another machine's disk"
        )
    return str(path)


def remove_witness(home: Home, name: str) -> Witness:
    with changing(home):
        known = read_witnesses(home)
        found = next((one for one in known if one.name == name), None)
        if found is None:
            names = ", ".join(one.name for one in known) or "none"
            raise Refused("witness.absent", f"there is no witness {name[:80]!r}; there are: {names}")
        write_witnesses(home, [one for one in known if one.name != name])
        if found.kind == "s3":
            sealed(home).remove(sealed_name(name))
    return found


def held(home: Home, witness: Witness) -> bytes | None:
    """The note that the witness holds, None when it is new; WitnessUnreachable otherwise."""
    try:
        if witness.kind == "git":
            note = git_of(home, witness).read()
        elif witness.kind == "s3":
            note = s3_of(home, witness).read()
        else:
            path = Path(witness.target)
            note = path.read_bytes()[: NOTE_BYTES_MAX + 1] if path.exists() else None
    except OSError as error:
        raise WitnessUnreachable(f"the witness {witness.name} ({witness.target}) does not answer: {error}") from None
    if note is None and witness.written:
        raise WitnessUnreachable(f"the witness {witness.name} ({witness.target}) has lost the checkpoint it had")
    return note


def seen_by(home: Home, witness: Witness, key: VerifierKey) -> Seen | None:
    """What the witness holds; LogDamaged when this log did not sign it."""
    note = held(home, witness)
    if note is None:
        return None
    name = f"the witness {witness.name} ({witness.target})"
    return Seen(name, opened(note, key, f"the checkpoint at {name}"))


def give(home: Home, witness: Witness, note: bytes, size: int) -> None:
    """Put a checkpoint where the witness keeps it; the caller has compared what is there."""
    try:
        if witness.kind == "git":
            git_of(home, witness).write(note, f"{size} commits")
        elif witness.kind == "s3":
            s3_of(home, witness).write(note)
        else:
            write_private(Path(witness.target), note)
    except OSError as error:
        raise WitnessUnreachable(f"the witness {witness.name} ({witness.target}) takes nothing: {error}") from None
    if not witness.written:
        with changing(home):
            known = [replace(one, written=True) if one.name == witness.name else one for one in read_witnesses(home)]
            write_witnesses(home, known)


def git_of(home: Home, witness: Witness) -> GitWitness:
    return GitWitness(home.root / "witnesses" / f"{file_name(witness.name)}.git", witness.target)


def sealed(home: Home) -> SealedStore:
    """Where the credentials of object stores are: sealed files below the keys, by the name of the witness."""
    return SealedStore(home.keys / "witnesses", home.keys / "witness-seal.key")


def sealed_name(witness: str) -> str:
    return file_name(encode_token(witness))


def seal_keys(home: Home, witness: Witness) -> None:
    """Keep the credentials of the environment for those who give checkpoints later; Refused when there are none."""
    keys = keys_of_environment()
    if keys is None:
        raise Refused("witness.credentials", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for this command")
    sealed(home).put(sealed_name(witness.name), msgspec.json.encode(keys))


def s3_of(home: Home, witness: Witness) -> S3Witness:
    try:
        kept = sealed(home).get(sealed_name(witness.name))
    except Refused as refused:
        raise WitnessUnreachable(f"the witness {witness.name} ({witness.target}): {refused.detail}") from None
    keys = decode(kept, S3Keys, code="witness.credentials") if kept else keys_of_environment()
    if keys is None:
        raise WitnessUnreachable(f"the credentials of the witness {witness.name} are gone: remove it and add it again")
    return S3Witness(parsed(witness.target), keys)


def all_seen(home: Home) -> tuple[list[Seen], list[str]]:
    """All that was signed of this log, here and at the witnesses, and what is wrong with those that do not answer.

    LogDamaged for a checkpoint that this log did not sign, and for a required witness that does not answer.
    """
    own, witnesses = read_own(home), read_witnesses(home)
    seen, silent = [own] if own else [], []
    key = make_log_key(home.keys).verifier if witnesses else None
    for witness in witnesses:
        try:
            found = seen_by(home, witness, key) if key else None
        except WitnessUnreachable as error:
            if witness.required:
                raise LogDamaged(
                    f"{error}. It is required: nothing starts without it. Make it reachable, "
                    f"or remove it with `treering witness remove {witness.name}`"
                ) from None
            silent.append(str(error))
        else:
            seen += [found] if found else []
    return seen, silent
