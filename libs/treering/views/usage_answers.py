"""What is asked about usage: sums by workspace, experiment, actor, day or hour, and what holds nodes at the moment."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import date

import msgspec

from treering.adapters.sqlite_view import Database
from treering.domain.job import HELD, JOB
from treering.kernel.clock import now
from treering.kernel.refusal import Refused
from treering.views.moments import moment, seconds_between, time_text
from treering.views.time_queries import UsageAnswer, UsageQuery, UsageRow
from treering.views.usage import DAY, HOUR

ROWS_MAX = 5000
A_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
COLUMNS = {"workspace": "workspace", "experiment": "parent", "actor": "actor",
    "day": f"substr(hour, 1, {DAY})", "hour": "hour || ':00Z'",
}  # fmt: skip
OF_JOB = {"workspace": "workspace", "experiment": "parent", "actor": "created_by"}


def usage(db: Database, query: UsageQuery) -> UsageAnswer:
    """Answer ``qry.usage``, the largest first; ``Refused`` for what is no day or time, or no window."""
    since, until = checked(query.since, "since"), checked(query.until, "until")
    if until and since[: len(until)] > until:
        raise Refused("query.bad_window", f"since {query.since} is later than until {query.until}")
    column = COLUMNS[query.by]
    where, values = ["1"], []
    if since:
        where.append("hour >= ?")
        values.append(since)
    if until:
        where.append("substr(hour, 1, length(?)) <= ?")
        values += [until, until]
    if query.workspace:
        where.append("workspace = ?")
        values.append(query.workspace)
    sql = (
        f"SELECT {column} AS value, sum(jobs) AS jobs, sum(node_milliseconds) AS ms, sum(output_bytes) AS bytes "
        f"FROM usage WHERE {' AND '.join(where)} GROUP BY 1 ORDER BY ms DESC, value LIMIT {ROWS_MAX}"
    )
    rows = {
        row["value"]: UsageRow(row["value"], row["jobs"], row["ms"] / 1000, row["bytes"])
        for row in db.execute(sql, values)
    }
    if query.by in OF_JOB and not until:
        for value, (running, seconds) in held_now(db, query).items():
            row = rows.get(value, UsageRow(value, 0, 0.0, 0))
            rows[value] = msgspec.structs.replace(row, running=running, running_node_seconds=round(seconds, 3))
    return UsageAnswer(list(rows.values()))


def held_now(db: Database, query: UsageQuery) -> dict[str, tuple[int, float]]:
    """How many jobs hold a node now, and the node-seconds of their present status."""
    today = time_text(now())
    found: dict[str, tuple[int, float]] = defaultdict(lambda: (0, 0.0))
    for status in sorted(HELD):
        for row in db.execute("SELECT * FROM current WHERE kind = 'job' AND status = ?", (status,)):
            if query.workspace not in ("", row["workspace"]):
                continue
            spec = JOB.states.decode(row["state"]).spec
            running, seconds = found[value := row[OF_JOB[query.by]]]
            here = seconds_between(row["since"], today) * (spec.instance_count if spec else 1)
            found[value] = (running + 1, seconds + here)
    return found


def checked(text: str, field: str) -> str:
    """The day or the hour that is asked for, as the beginning of an hour of UTC; "" stays so."""
    try:
        if not text or (A_DAY.fullmatch(text) and date.fromisoformat(text)):
            return text
        if isinstance(at := moment(text, field), str):
            return at[:HOUR]
    except (ValueError, Refused):
        pass
    why = f"{field} {text[:40]!r} is no day and no time; write it as 2026-01-31 or 2026-01-31T13:00Z"
    raise Refused("query.bad_day", why)
