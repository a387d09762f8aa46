"""Proofs in files: that a commit is in the log, and that a log is what an older one became. Checked with a key alone.

The first is a C2SP tlog-proof, whose ``extra`` line holds the commit (what the leaf hash is over: subject, newline,
bytes as stored). The second has the same shape, with the old checkpoint before the new one::

    c2sp.org/tlog-proof@v1                  treering/log-consistency@v1
    extra <base64 of the commit>            <base64 of a hash, a line each>
    index <position - 1>
    <base64 of a hash, a line each>         <the old checkpoint>

    <the checkpoint>                        <the new checkpoint>
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec

from treering.adapters.log_copy import copy_damaged, leaf_of, node_at, rows_between
from treering.adapters.notes import NoteInvalid, TreeHead, decimal, from_base64, parse_head, parse_note, to_base64
from treering.adapters.signing import VerifierKey
from treering.adapters.sqlite_view import Database
from treering.kernel.log import Commit, Entry
from treering.kernel.merkle import (
    HASH_BYTES,
    PROOF_HASHES_MAX,
    ProofInvalid,
    check_consistency,
    check_inclusion,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
)
from treering.kernel.subjects import Address, address_of

INCLUSION = "c2sp.org/tlog-proof@v1"
CONSISTENCY = "treering/log-consistency@v1"
PROOF_BYTES_MAX = 32 * 1024 * 1024
END = "\n\n"


class Inclusion(NamedTuple):
    """The contents of a proof that ``leaf`` is in the log; nothing is checked yet."""

    leaf: bytes
    leaf_index: int  # counted from 0
    hashes: tuple[bytes, ...]
    checkpoint: bytes


class Consistency(NamedTuple):
    """The contents of a proof that the log at ``old`` became the log at ``new``; nothing is checked yet."""

    hashes: tuple[bytes, ...]
    old: bytes
    new: bytes


class Included(NamedTuple):
    """What a proof shows: this commit stands at this position of the log."""

    entry: Entry
    commit: Commit
    address: Address
    head: TreeHead


class Extended(NamedTuple):
    """What a proof shows: the log at ``new`` begins with the log at ``old``."""

    old: TreeHead
    new: TreeHead


def prove_inclusion(db: Database, position: int, size: int, path: Path) -> list[bytes]:
    """The hashes that lead from the commit at ``position`` of the second copy to the root at ``size``."""
    (row,) = rows_between(db, position, position)
    if leaf_of(row.subject, row.body) != row.hashes[:HASH_BYTES]:
        raise copy_damaged(position, path)
    return inclusion_proof(position - 1, size, partial(node_at, db))


def prove_consistency(db: Database, old: int, new: int) -> list[bytes]:
    """The hashes that show that the log at ``new`` begins with the log at ``old``."""
    return consistency_proof(old, new, partial(node_at, db))


def inclusion_of(entry: Entry, hashes: Sequence[bytes], checkpoint: bytes) -> Inclusion:
    """The proof of an entry, checked against its checkpoint first: ProofInvalid when it does not fit."""
    leaf, head = entry.subject.encode() + b"\n" + entry.body, parse_head(parse_note(checkpoint).text)
    check_inclusion(leaf_hash(leaf), entry.position - 1, head.size, hashes, head.root)
    return Inclusion(leaf, entry.position - 1, tuple(hashes), checkpoint)


def inclusion_bytes(proof: Inclusion) -> bytes:
    lines = [INCLUSION, f"extra {to_base64(proof.leaf)}", f"index {proof.leaf_index}", *map(to_base64, proof.hashes)]
    return ("\n".join(lines) + END).encode() + proof.checkpoint


def consistency_bytes(proof: Consistency) -> bytes:
    lines = [CONSISTENCY, *map(to_base64, proof.hashes)]
    return ("\n".join(lines) + END).encode() + proof.old + b"\n" + proof.new


def parse_inclusion(data: bytes) -> Inclusion:
    """Read a proof of an event strictly; NoteInvalid when it is not one."""
    lines, checkpoint = head_and_rest(data)
    if len(lines) < 3 or not lines[1].startswith("extra ") or not lines[2].startswith("index "):
        raise NoteInvalid("a proof of an event has an extra line, then an index line")
    leaf, index = from_base64(lines[1].removeprefix("extra ")), decimal(lines[2].removeprefix("index "))
    return Inclusion(leaf, index, hashes_of(lines[3:]), checkpoint.encode())


def parse_consistency(data: bytes) -> Consistency:
    """Read a proof of consistency strictly; NoteInvalid when it is not one."""
    lines, rest = head_and_rest(data)
    notes = rest.split(END)
    if len(notes) != 4:
        raise NoteInvalid("a proof of consistency holds two checkpoints, with an empty line between")
    old, new = f"{notes[0]}{END}{notes[1]}\n", f"{notes[2]}{END}{notes[3]}"
    return Consistency(hashes_of(lines[1:]), old.encode(), new.encode())


def head_and_rest(data: bytes) -> tuple[list[str], str]:
    """The lines up to the first empty one, and what follows it."""
    if len(data) > PROOF_BYTES_MAX:
        raise NoteInvalid(f"a proof has at most {PROOF_BYTES_MAX} bytes, this has {len(data)}")
    try:
        head, _, rest = data.decode().partition(END)
    except UnicodeDecodeError:
        raise NoteInvalid("a proof is UTF-8 text") from None
    return head.split("\n"), rest


def hashes_of(lines: list[str]) -> tuple[bytes, ...]:
    hashes = tuple(map(from_base64, lines))
    if len(hashes) > PROOF_HASHES_MAX or any(len(hash) != HASH_BYTES for hash in hashes):
        raise NoteInvalid(f"a proof has at most {PROOF_HASHES_MAX} hashes of {HASH_BYTES} bytes")
    return hashes


def check(data: bytes, key: VerifierKey) -> Included | Extended:
    """What a proof file shows, with nothing but the log's public key; NoteInvalid or ProofInvalid when it does not."""
    kind = data.partition(b"\n")[0]
    if kind == INCLUSION.encode():
        return checked_inclusion(parse_inclusion(data), key)
    if kind == CONSISTENCY.encode():
        return checked_consistency(parse_consistency(data), key)
    raise NoteInvalid(f"the file is no proof: it begins neither with {INCLUSION} nor with {CONSISTENCY}")


def checked_inclusion(proof: Inclusion, key: VerifierKey) -> Included:
    head = key.open_head(proof.checkpoint)
    check_inclusion(leaf_hash(proof.leaf), proof.leaf_index, head.size, proof.hashes, head.root)
    subject, _, body = proof.leaf.partition(b"\n")
    try:
        entry = Entry(proof.leaf_index + 1, subject.decode(), body)
        return Included(entry, entry.commit(), address_of(entry.subject), head)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise ProofInvalid(f"what is in the log there is no commit: {error}") from None


def checked_consistency(proof: Consistency, key: VerifierKey) -> Extended:
    old, new = key.open_head(proof.old), key.open_head(proof.new)
    check_consistency(old.size, new.size, proof.hashes, old.root, new.root)
    return Extended(old, new)
