"""A proof of an event that also shows who did it: the person's name, the salt of it, and the commit that told it.

::

    treering/named-event@v1
    name <base64 of the name>
    salt <64 hex digits>

    <the tlog-proof of the event>

    <the tlog-proof of the commit of credential/user:<actor> that told the commitment>
"""

from __future__ import annotations

import re
from typing import NamedTuple

from treering.adapters.names import SUBJECT, Name, commitment, naming
from treering.adapters.notes import NoteInvalid, from_base64, to_base64
from treering.adapters.proofs import (
    END,
    INCLUSION,
    Extended,
    Included,
    check,
    checked_inclusion,
    head_and_rest,
    parse_inclusion,
)
from treering.adapters.signing import VerifierKey
from treering.kernel.merkle import ProofInvalid

NAMED = "treering/named-event@v1"
SALT = re.compile("[0-9a-f]{64}")


class Named(NamedTuple):
    """What such a proof shows: this commit stands in the log, and its actor was named so at ``told_at``."""

    event: Included
    name: str
    told_at: int


def named_bytes(name: Name, event: bytes, told: bytes) -> bytes:
    head = f"{NAMED}\nname {to_base64(name.name.encode())}\nsalt {name.salt}{END}"
    return head.encode() + event + b"\n" + told


def check_any(data: bytes, key: VerifierKey) -> Included | Extended | Named:
    """What a proof file of any sort shows; NoteInvalid or ProofInvalid when it does not hold."""
    return check_named(data, key) if data.partition(b"\n")[0] == NAMED.encode() else check(data, key)


def check_named(data: bytes, key: VerifierKey) -> Named:
    lines, rest = head_and_rest(data)
    parts = rest.split(END)
    shape = [line.partition(" ")[0] for line in lines] == [NAMED, "name", "salt"] and len(parts) == 6
    proofs = shape and all(part.startswith(f"{INCLUSION}\n") for part in parts[::3])
    if not proofs or not SALT.fullmatch(lines[2].removeprefix("salt ")):
        raise NoteInvalid("a proof with a name has a name line, a salt line and two proofs")
    event = checked_inclusion(parse_inclusion((END.join(parts[:3]) + "\n").encode()), key)
    told = checked_inclusion(parse_inclusion(END.join(parts[3:]).encode()), key)
    actor = event.commit.actor
    try:
        name = from_base64(lines[1].removeprefix("name ")).decode()
    except UnicodeDecodeError:
        raise NoteInvalid("the name is not UTF-8 text") from None
    said = commitment(actor, Name(name, lines[2].removeprefix("salt ")))
    if told.entry.subject != SUBJECT + actor or said not in naming(told.entry.body):
        raise ProofInvalid(f"the log was not told that {actor} is {name[:80]!r}")
    return Named(event, name, told.entry.position)
