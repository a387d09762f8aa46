"""What is asked of the second copy: a resource as it was at a moment, folded from its verified commits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path

import msgspec

from treering.adapters.incomplete import LOG, Incomplete, reason, refused
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
        found = folded_with(address, found, entry)
    return resource_then(address, found[0]) if found else None


def folded_with(address: Address, before: tuple[Row, int] | None, entry: Entry) -> tuple[Row, int]:
    """``Refused("view.incomplete")`` when ``entry`` cannot be applied: what the resource was from then on is not
    known."""
    try:
        return fold(address, before, entry, entry.commit())
    except Exception as error:
        raise refused(Incomplete(address.subject, LOG, entry.position, reason(error))) from error


def list_at(db: Database, firsts: Sequence[int], position: int, path: Path) -> tuple[list[Resource], int]:
    """The resources whose first commits are at ``firsts``, as they were at ``position``, as many as one answer
    holds; and the first commit of the last of them, 0 when all are there."""
    found: list[Resource] = []
    size, mark = 0, 0
    for first in firsts:
        row = db.execute("SELECT subject FROM commits WHERE position = ?", (first,)).fetchone()
        if row is None:
            raise copy_damaged(first, path)
        try:
            resource = folded(db, address_of(row["subject"]), position, path)
        except Refused as refusal:
            if refusal.code != "view.incomplete":
                raise
            continue  # Lists leave out what cannot be shown, as those of now do.
        if resource is None:
            raise copy_damaged(first, path)
        size += RESOURCE_BYTES + len(bytes(resource.state))
        if found and size > ANSWER_BYTES_MAX:
            return found, mark
        found.append(resource)
        mark = first
    return found, 0


def diff(db: Database, address: Address, since: int, until: int, path: Path) -> Difference | None:
    """How a resource changed; None when it did not."""
    entries = list(takewhile(lambda entry: entry.position <= until, history(db, address, path)))
    for entry in entries:
        try:
            KINDS[address.kind].events.decode(entry.commit().events)
        except Exception as error:
            raise refused(Incomplete(address.subject, LOG, entry.position, reason(error))) from error
    return difference(address, entries, since, until)


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
