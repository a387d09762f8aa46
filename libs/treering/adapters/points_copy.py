"""The second copy of the metric points: every message of the stream MET with its Merkle hashes, as that of the log.

Points are no commits, so there is no chain in them to check; what they were is held by the tree alone, whose root the
monitor puts into the log now and then (``metric_stream.sealed``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

import msgspec

from treering.adapters import sqlite_kinds
from treering.adapters.log_copy import BadPosition, CopyRow, LogCopy, Source, advice, frontier_at, leaf_of
from treering.adapters.sqlite_view import Database
from treering.kernel.log import UNDECODABLE, Entry, LogDamaged, commits
from treering.kernel.merkle import Frontier

POINTS_STREAM = "MET"
POINTS_FILE = "points.db"
SEAL_SUBJECT = "evt.main.metric_stream.MET"


class PointsCopy(LogCopy):
    """Messages that are no commits, in the same form: each at its position, with the hashes of the tree."""

    name = "points"
    kind = sqlite_kinds.POINTS
    source = Source(POINTS_STREAM, "met.>", "the stream of metric points")

    def verified(self, db: Database, entries: Sequence[Entry], tree: Frontier) -> Iterator[CopyRow]:
        for entry in entries:
            if entry.position != tree.size + 1:
                raise BadPosition(
                    tree.size + 1, f"metric points are missing at position {tree.size + 1} of their stream"
                )
            yield CopyRow(entry.position, entry.subject, tree.append(leaf_of(entry.subject, entry.body)), entry.body)


class Seal(NamedTuple):
    """What the log says last of the metric points: 0 positions when it says nothing yet."""

    positions: int
    root: str


class Sealed(msgspec.Struct, frozen=True):
    positions: int
    root: str


sealings: msgspec.json.Decoder[list[Sealed]] = msgspec.json.Decoder(list[Sealed])


def last_seal(db: Database) -> Seal:
    """Read from the second copy of the log."""
    sql = "SELECT body FROM commits WHERE subject = ? ORDER BY position DESC"
    for (body,) in db.execute(sql, (SEAL_SUBJECT,)):
        try:
            said = sealings.decode(commits.decode(body).events)[-1]
        except (*UNDECODABLE, IndexError):
            continue  # What is no seal says nothing of the points.
        return Seal(said.positions, said.root)
    return Seal(0, "")


async def check_sealed(points: PointsCopy, log: LogCopy) -> None:
    """LogDamaged unless the copy of the points begins with what the log says of them: for whoever changed both."""
    seal = await log.read(last_seal)
    if points.tree.size < seal.positions:
        raise LogDamaged(
            f"the log says that there were {seal.positions} messages of metric points, and their second copy ends at "
            f"{points.tree.size}: its end was cut off, or they were set back. {advice(points.path)}; otherwise put a "
            "backup of it back"
        )
    root = (await points.read(partial(frontier_at, size=seal.positions))).root().hex()
    if seal.positions and root != seal.root:
        raise LogDamaged(
            f"the metric points up to position {seal.positions} are not those that the log says there were: stream and "
            f"second copy were changed together. Put a backup of {points.path} back"
        )
