"""The event log in a list: for tests, and the reference for what every log does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from treering.kernel.log import Appended, Conflict, Entry

BATCH_MAX = 500


class MemoryLog:
    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.last: dict[str, int] = {}
        self.by_id: dict[str, int] = {}
        self.grown = asyncio.Condition()

    async def append(self, subject: str, body: bytes, *, id: str, expected: int) -> Appended:
        if self.last.get(subject, 0) != expected:
            raise Conflict(subject)
        if id in self.by_id:
            return Appended(self.by_id[id], duplicate=True)
        position = len(self.entries) + 1
        self.entries.append(Entry(position, subject, body))
        self.last[subject] = self.by_id[id] = position
        async with self.grown:
            self.grown.notify_all()
        return Appended(position, duplicate=False)

    async def read(self, subject: str, *, after: int = 0) -> Sequence[Entry]:
        return [entry for entry in self.entries[after:] if entry.subject == subject]

    async def follow(self, *, after: int = 0, subject: str = "evt.>") -> AsyncIterator[Sequence[Entry]]:
        while True:
            batch = self.entries[after : after + BATCH_MAX]
            if not batch:
                async with self.grown:
                    while len(self.entries) <= after:
                        await self.grown.wait()
                continue
            after = batch[-1].position
            matching = [entry for entry in batch if matches(subject, entry.subject)]
            if matching:
                yield matching

    async def head(self) -> int:
        return len(self.entries)


def matches(pattern: str, subject: str) -> bool:
    """NATS wildcards: ``*`` is one token, ``>`` at the end is one or more."""
    wanted, given = pattern.split("."), subject.split(".")
    for index, token in enumerate(wanted):
        if token == ">":
            return len(given) > index
        if index >= len(given) or token not in ("*", given[index]):
            return False
    return len(wanted) == len(given)
