"""The audit view with its index of words in files, filled with the commits of a small made-up history."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from treering.adapters.sqlite_reader import SqliteReaders
from treering.adapters.sqlite_view import SqliteView
from treering.kernel.log import Commit, Entry, commit_id, encoder
from treering.kernel.subjects import Address
from treering.views.audit import AuditView, make_indices
from treering.views.audit_answers import audit
from treering.views.queries import AuditAnswer, AuditQuery, AuditRow
from treering.views.search import NAME, SearchIndex

START = datetime(2026, 1, 1, tzinfo=UTC)
WORDS = ("Äpfel", "birne", "u_1", "line\nbreak", "quer\\weg", "a-b", "München", '"quoted"')
TYPES = {
    "job": ("job.submitted", "job.started", "job.failed"),
    "model": ("model.created",),
    "event": ("event.published",),
}
PUBLISHED = ("build.done", "build.begun", "job.completed")


@dataclass
class Audit:
    view: SqliteView
    search: SearchIndex
    readers: SqliteReaders

    async def ask(self, query: AuditQuery) -> AuditAnswer:
        if query.text:
            await self.search.catch_up()
        return await self.readers.read(lambda db: audit(db, query))

    async def all(self, query: AuditQuery) -> list[AuditRow]:
        """Every page of an answer."""
        rows: list[AuditRow] = []
        while True:
            answer = await self.ask(query)
            rows += answer.rows
            if not answer.next:
                return rows
            query = msgspec.structs.replace(query, page=answer.next)


@asynccontextmanager
async def opened_audit(folder: Path, *, indices: bool = True) -> AsyncIterator[Audit]:
    view = SqliteView(AuditView(), folder / "audit.db")
    await view.open()
    search = SearchIndex(folder / "search.db", folder / "audit.db", view.soundness)
    await search.open()
    readers = SqliteReaders(folder / "audit.db", {NAME: folder / "search.db"})
    try:
        if indices:
            await view.read(make_indices)
        yield Audit(view, search, readers)
    finally:
        await readers.close()
        await search.close()
        await view.close()


def entry(
    position: int,
    address: Address,
    events: Sequence[dict[str, Any]],
    at: datetime,
    actor: str = "anna",
    cause: str = "",
    via: str = "",
) -> Entry:
    """A commit as the audit view reads it; its place in its resource's history is not looked at there."""
    command = f"c{position}"
    raw = msgspec.Raw(encoder.encode(list(events)))
    commit = Commit(commit_id(address.subject, command), command, 1, at, actor, cause, events=raw, via=via)
    return Entry(position, address.subject, encoder.encode(commit))


def a_history(seed: int, commits: int = 400, first: int = 1) -> list[Entry]:
    """Commits by several actors in two workspaces over some days, their clocks not quite in step."""
    chance = random.Random(seed)
    return [one_of(chance, position) for position in range(first, first + commits)]


def one_of(chance: random.Random, position: int) -> Entry:
    kind = chance.choice(sorted(TYPES))
    address = Address(chance.choice(["w", "v.1"]), kind, f"r{chance.randint(1, 9)}")
    at = START + timedelta(minutes=position * 11, seconds=chance.randint(-1500, 1500))
    events = [
        {
            "type": chance.choice(TYPES[kind]),
            "note": " ".join(chance.sample(WORDS, 2)),
            "subject": "job/r1",
            "event_type": chance.choice(PUBLISHED),
        }
        for _ in range(chance.choice([1, 1, 2]))
    ]
    actor = chance.choice(["anna", "ben", "service:scheduler", f"job:j{chance.randint(1, 50)}"])
    return entry(position, address, events, at, actor, chance.choice(["", f"c{chance.randint(1, position)}"]))
