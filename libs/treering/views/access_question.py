"""The saved question ``access``: who could do what at a moment, since when, and who let them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from treering.adapters.sqlite_view import Database
from treering.views.audit_answers import audit
from treering.views.queries import LIMIT_MAX, AuditQuery, AuditRow

if TYPE_CHECKING:
    from treering.views.saved_questions import AskQuery

PAGES_MAX = 100
COLUMNS = ["who", "sort", "rights", "sources", "types", "workspace", "since", "by", "position"]
Row = dict[str, Any]


def access_rows(db: Database, query: AskQuery) -> list[Row]:
    """Who may do what in the workspace ("" is all of them) at ``until`` (or now), the newest grant first."""
    held: dict[tuple[str, str], Row] = {}
    for row in changes(db, query.until):
        data, key = msgspec.json.decode(row.data), (row.workspace, row.name)
        match row.type:
            case "credential.granted":
                sort, _, who = row.name.partition(":")
                limits = {"sources": data.get("sources", []), "types": data.get("types", [])}
                held[key] = granted(row, who, sort, data["rights"]) | limits
            case "witness.added":
                held[key] = granted(row, data["target"], "witness", ["checkpoints"])
            case "credential.revoked" | "witness.removed":
                held.pop(key, None)
    found = [one for one in held.values() if concerns(one, query.workspace)]
    return sorted(found, key=lambda one: -int(one["position"]))


def changes(db: Database, until: str) -> Iterator[AuditRow]:
    """Every change of what somebody may do, the oldest first."""
    page = ""
    for _ in range(PAGES_MAX):
        types = "credential.granted,credential.revoked,witness.added,witness.removed"
        answer = audit(db, AuditQuery(type=types, until=until, oldest_first=True, limit=LIMIT_MAX, page=page, own=True))
        yield from answer.rows
        page = answer.next
        if not page:
            return


def granted(row: AuditRow, who: str, sort: str, rights: list[str]) -> Row:
    return {
        "who": who, "sort": sort, "rights": rights, "sources": [], "types": [], "workspace": row.workspace,
        "since": row.at, "by": row.actor, "position": row.position,
    }  # fmt: skip


def concerns(row: Row, workspace: str) -> bool:
    return workspace in ("", row["workspace"]) or row["sort"] in ("user", "witness")
