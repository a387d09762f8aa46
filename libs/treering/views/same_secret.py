"""Which jobs and environments have a secret variable of the same value: told by HMACs, without the value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from treering.adapters.sqlite_view import Database
from treering.kernel.refusal import Refused
from treering.kernel.subjects import singular
from treering.views.audit_answers import audit
from treering.views.queries import AuditQuery, AuditRow

SEALED_TYPES = ("job.submitted", "environment.created", "webhook.created", "webhook.updated")


class Same(NamedTuple):
    row: AuditRow
    variable: str


def same_secret(db: Database, query: AuditQuery, argument: str) -> tuple[list[Same], str]:
    """Those that have the value of the variable ``KIND/NAME/VARIABLE``, itself among them, and where the next page
    begins; ``Refused``: ``query.argument``, ``secret.absent``."""
    mac = mac_of(db, query.workspace, argument)
    asked = replace(query, type=",".join(SEALED_TYPES), text=f'"{mac}"', own=True)
    answer = audit(db, asked)
    found = [Same(row, name) for row in answer.rows for name, one in macs_in(row) if one == mac]
    return found, answer.next


def mac_of(db: Database, workspace: str, argument: str) -> str:
    kind, _, rest = argument.partition("/")
    key, _, variable = rest.rpartition("/")
    if not key or not variable:
        why = f"{argument[:80]!r}: write KIND/NAME/VARIABLE, such as job/train-1/DB_PASSWORD"
        raise Refused("query.argument", why)
    asked = AuditQuery(workspace=workspace, kind=singular(kind), name=key, type=",".join(SEALED_TYPES), limit=1)
    for row in audit(db, asked).rows:
        for name, mac in macs_in(row):
            if name == variable:
                return mac
    raise Refused("secret.absent", f"{kind}/{key[:80]} has no secret variable {variable[:80]!r}; `show` lists them")


def macs_in(row: AuditRow) -> Iterator[tuple[str, str]]:
    """The secret variables in an event: their names and HMACs."""
    data: Any = msgspec.json.decode(row.data)
    spec = data.get("spec") or {}
    for one in (data, spec, spec.get("environment") or {}):
        yield from (one.get("sealed") or {}).get("macs", {}).items()
