"""What is asked of the second copy: a resource as it was at a moment, folded from its verified commits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from treering.adapters.log_copy import copy_damaged, leaf_of
from treering.adapters.sqlite_view import Database
from treering.domain import KINDS, kind_named
from treering.kernel.log import Entry, encoder
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address, address_of
from treering.views.audit_answers import ANSWER_BYTES_MAX
from treering.views.diffs import difference
from treering.views.states import Resource, Row, fold
from treering.views.time_queries import Difference

RESOURCE_BYTES = 1000  # of one beside its state, generously


def at(db: Database, address: Address, position: int, path: Path) -> Resource:
    """The resource as it was at ``position``; ``Refused("<kind>.absent")`` when it was not there yet."""
    kind_named(address.kind)
    found = folded(db, address, position, path)
    if found is None:
        raise Refused(f"{address.kind}.absent", f"there was no {address.kind} of this name at position {position}")
    return found


def folded(db: Database, address: Address, position: int, path: Path) -> Resource | None:
    found: tuple[Row, int] | None = None
    for entry in history(db, address, path):
        if entry.position > position:
            break
        found = fold(address, found, entry, entry.commit())
    return resource_then(address, found[0]) if found else None


def list_at(db: Database, firsts: Sequence[int], position: int, path: Path) -> tuple[list[Resource], int]:
    """The resources whose first commits are at ``firsts``, as they were at ``position``, as many as one answer
    holds; and the first commit of the last of them, 0 when all are there."""
    found: list[Resource] = []
    size = 0
    for first in firsts:
        row = db.execute("SELECT subject FROM commits WHERE position = ?", (first,)).fetchone()
        if row is None:
            raise copy_damaged(first, path)
        resource = folded(db, address_of(row["subject"]), position, path)
        if resource is None:
            raise copy_damaged(first, path)
        size += RESOURCE_BYTES + len(bytes(resource.state))
        if found and size > ANSWER_BYTES_MAX:
            return found, firsts[len(found) - 1]
        found.append(resource)
    return found, 0


def diff(db: Database, address: Address, since: int, until: int, path: Path) -> Difference | None:
    """How a resource changed; None when it did not."""
    return difference(address, history(db, address, path), since, until)


def history(db: Database, address: Address, path: Path) -> Iterator[Entry]:
    """The commits of one aggregate, each hashed again; CopyDamaged names the position that is not as stored."""
    sql = "SELECT position, body, substr(hashes, 1, 32) AS leaf FROM commits WHERE subject = ? ORDER BY position"
    for row in db.execute(sql, (address.subject,)):
        if leaf_of(address.subject, row["body"]) != row["leaf"]:
            raise copy_damaged(row["position"], path)
        yield Entry(row["position"], address.subject, row["body"])


def resource_then(address: Address, row: Row) -> Resource:
    summary = KINDS[address.kind].summary(row.known.state)
    return Resource(
        *address,
        status=summary.status,
        position=row.known.position,
        version=row.known.version,
        created_at=row.created_at,
        created_by=row.created_by,
        changed_at=row.timeline[-1][1],
        timeline=row.timeline,
        state=msgspec.Raw(encoder.encode(row.known.state)),
        parent=summary.parent,
        archived=summary.archived,
        labels=summary.labels,
    )
