"""What is asked of the second copy: a resource as it was at a moment, folded from its verified commits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from treering.adapters.log_copy import copy_damaged, leaf_of
from treering.adapters.sqlite_view import Database
from treering.domain import KINDS, kind_named
from treering.kernel.log import Entry, encoder
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.views.moments import moment, time_text
from treering.views.queries import AtAnswer, AtQuery
from treering.views.states import Resource, Row, fold


def at(db: Database, query: AtQuery, path: Path) -> AtAnswer:
    """Answer ``qry.at``; ``Refused("<kind>.absent")`` when the resource was not there yet."""
    kind_named(query.kind)
    address = Address(query.workspace, query.kind, query.name)
    limit = moment(query.at, "at")
    found: tuple[Row, int] | None = None
    for entry in history(db, address, path):
        if is_later(entry, limit):
            break
        found = fold(address, found, entry)
    if found is None:
        raise Refused(f"{query.kind}.absent", f"there was no {query.kind} of this name at {query.at}")
    return AtAnswer(resource_then(address, found[0]))


def history(db: Database, address: Address, path: Path) -> Iterator[Entry]:
    """The commits of one aggregate, each hashed again; CopyDamaged names the position that is not as stored."""
    sql = "SELECT position, body, substr(hashes, 1, 32) AS leaf FROM commits WHERE subject = ? ORDER BY position"
    for row in db.execute(sql, (address.subject,)):
        if leaf_of(address.subject, row["body"]) != row["leaf"]:
            raise copy_damaged(row["position"], path)
        yield Entry(row["position"], address.subject, row["body"])


def is_later(entry: Entry, limit: int | str) -> bool:
    return entry.position > limit if isinstance(limit, int) else time_text(entry.commit().at) > limit


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
