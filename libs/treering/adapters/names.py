"""Who the opaque ids of actors are: names in a file outside the log, held to commitments that are in it.

The log has, for each person, SHA-256 over a salt, the id and the name. Salt and name are only in the file, so whoever
rewrites it is found out, and whoever deletes an entry leaves nothing that says who it was (docs/adr/0014-names.md).
"""

from __future__ import annotations

import getpass
import hashlib
import os
import secrets
import sqlite3
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct

from treering.adapters.read_only import opened
from treering.adapters.sums import write_kept
from treering.config import Home
from treering.kernel.decoding import decode

FILE_NAME = "actors.json"
COPY_NAME = "log.db"
FILE_BYTES_MAX = 1024 * 1024
SALT_BYTES = 32
SUBJECT = "evt.main.credential.user:"
SUBJECT_END = "evt.main.credential.user;"  # the next character: all subjects that begin with SUBJECT are before it
MARK = b"treering-name-1"


class Name(Struct, frozen=True, omit_defaults=True):
    """``login``: the account of the operating system by which the person is known again."""

    name: str
    salt: str
    login: str = ""


class Proven(NamedTuple):
    """``names`` by actor, only those the log was told; ``wrong``: a sentence for each that is otherwise or gone."""

    names: dict[str, str]
    wrong: list[str]


def new_name(name: str, login: str) -> Name:
    return Name(name, secrets.token_hex(SALT_BYTES), login)


def commitment(actor: str, name: Name) -> str:
    """What the log is told of a name, in hex. Without the salt nobody can tell what it stands for."""
    text = b"\n".join((MARK, name.salt.encode(), actor.encode(), name.name.encode()))
    return hashlib.sha256(text).hexdigest()


def read_names(home: Home) -> dict[str, Name]:
    """By actor; ``Refused("actors.malformed")``. Entries of the first release have no salt yet."""
    try:
        data = (home.keys / FILE_NAME).read_bytes()
    except FileNotFoundError:
        return {}
    found = decode(data, dict[str, Name | str], code="actors.malformed", bytes_max=FILE_BYTES_MAX)
    return {actor: Name(one, "", one) if isinstance(one, str) else one for actor, one in found.items()}


def write_names(home: Home, names: dict[str, Name]) -> None:
    write_kept(home.keys / FILE_NAME, msgspec.json.format(msgspec.json.encode(names)))


def proven_names(home: Home) -> Proven:
    """The names that the log was told, and what is wrong with the others; none where there is no second copy."""
    told = committed(home.copy / COPY_NAME)
    names: dict[str, str] = {}
    wrong: list[str] = []
    here = read_names(home)
    for actor, name in here.items():
        if told.get(actor) == commitment(actor, name):
            names[actor] = name.name
        elif actor in told:
            wrong.append(f"{home.keys / FILE_NAME} names {actor} otherwise than the log was told")
    gone = [actor for actor, said in told.items() if said and actor not in here]
    wrong += [f"the name of {actor}, which the log was told, is gone from {home.keys / FILE_NAME}" for actor in gone]
    return Proven(names, wrong)


def committed(copy: Path) -> dict[str, str]:
    """What the log was told last of each person; "" when the name was erased since."""
    return {actor: said for actor, said, _ in tellings(copy)}


def told_at(home: Home, actor: str, name: Name) -> int:
    """The position at which the log was told this name of the actor last; 0: it was not."""
    said = commitment(actor, name)
    found = [at for one, told, at in tellings(home.copy / COPY_NAME) if (one, told) == (actor, said)]
    return found[-1] if found else 0


def tellings(copy: Path) -> list[tuple[str, str, int]]:
    """(actor, commitment, position) in the order of the log, as the second copy has it."""
    if not copy.exists():
        return []
    sql = "SELECT subject, body, position FROM commits WHERE subject >= ? AND subject < ? ORDER BY position"
    try:
        with opened(copy) as db:
            return [
                (subject.removeprefix(SUBJECT), said, position)
                for subject, body, position in db.execute(sql, (SUBJECT, SUBJECT_END))
                for said in naming(body)
            ]
    except (sqlite3.DatabaseError, msgspec.MsgspecError, TypeError, UnicodeDecodeError):
        return []  # a damaged copy is for others to name; no name is believed on its word


class Told(Struct, frozen=True):
    """As much of an event of a credential as names need."""

    type: str
    name: str = ""


class Body(Struct, frozen=True):
    events: list[Told]


def naming(body: bytes) -> list[str]:
    """The commitments that a commit of a person's credential tells, in order; "" where it erases."""
    types = ("credential.granted", "credential.renamed", "credential.name_erased")
    return [one.name for one in msgspec.json.decode(body, type=Body).events if one.type in types]


def person_name() -> str:
    """The account of the operating system that runs this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a uid without an entry, as in many containers
        return f"uid-{os.getuid()}"
