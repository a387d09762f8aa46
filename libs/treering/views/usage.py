"""What work cost, a row an hour for whom it was done: node-seconds and bytes of outputs.

A node-second is a second in which an attempt held its place on one node; it counts for the hour in which its
status ended. Amounts are whole numbers, so that a sum does not depend on the order it was made in.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from treering.adapters.sqlite_view import Database
from treering.domain.job import HELD, JOB, TERMINAL, Job
from treering.kernel.bounds import INT64_MAX
from treering.kernel.subjects import Address
from treering.views.moments import seconds_between

DAY, HOUR = len("2026-01-31"), len("2026-01-31T23")
SCHEMA = """
CREATE TABLE IF NOT EXISTS usage (
  hour TEXT NOT NULL, workspace TEXT NOT NULL, parent TEXT NOT NULL, actor TEXT NOT NULL,
  jobs INTEGER NOT NULL, node_milliseconds INTEGER NOT NULL, output_bytes INTEGER NOT NULL,
  PRIMARY KEY (hour, workspace, parent, actor)
) WITHOUT ROWID;
"""
ADD = """
INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (hour, workspace, parent, actor) DO UPDATE SET
  jobs = jobs + excluded.jobs, node_milliseconds = node_milliseconds + excluded.node_milliseconds,
  output_bytes = output_bytes + excluded.output_bytes
"""


class Amount(NamedTuple):
    jobs: int = 0
    node_milliseconds: int = 0
    output_bytes: int = 0


NOTHING = Amount()


class Moment(Protocol):
    """A resource at a commit, as far as its cost goes."""

    @property
    def state(self) -> Any: ...
    @property
    def status(self) -> str: ...
    @property
    def since(self) -> str: ...
    @property
    def parent(self) -> str: ...
    @property
    def created_by(self) -> str: ...


class Sums:
    """The amounts of one batch."""

    def __init__(self) -> None:
        self.of: dict[tuple[str, str, str, str], Amount] = {}

    def add(self, address: Address, before: Moment | None, after: Moment) -> None:
        """A job went from one status to another."""
        if address.kind != JOB.kind:
            return
        jobs = 1 if before is None else 0
        spent = held_milliseconds(before, after.since) if before is not None and before.status in HELD else 0
        stored = output_bytes(after.state) if after.status in TERMINAL else 0
        if jobs or spent or stored:
            key = (after.since[:HOUR], address.workspace, after.parent, after.created_by)
            old = self.of.get(key, NOTHING)
            self.of[key] = Amount(old.jobs + jobs, old.node_milliseconds + spent, old.output_bytes + stored)

    def write(self, db: Database) -> None:
        db.executemany(ADD, [(*key, *amount) for key, amount in self.of.items()])


def held_milliseconds(job: Moment, until: str) -> int:
    """Node-milliseconds of a status that ended."""
    nodes = job.state.spec.instance_count if job.state.spec else 1
    return round(seconds_between(job.since, until) * 1000) * int(nodes)


def output_bytes(job: Job) -> int:
    """At most what a column holds, so that a sum of amounts that nobody can have is still a sum."""
    return min(sum([output.size_bytes for output in job.outputs.values()]), INT64_MAX)
