"""The log as the harness has seen it: followed over every fault, every entry kept as it came."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from treering.adapters.jetstream_log import JetStreamLog
from treering.domain.job import JOB, TERMINAL, Job
from treering.domain.job_messages import JobEvent
from treering.kernel.log import Entry
from treering.kernel.subjects import Address, address_of


@dataclass
class History:
    """``entries[n]`` should be position n + 1; ``jobs`` is their fold, for waiting, not for judging."""

    entries: list[Entry] = field(default_factory=list)
    jobs: dict[str, Job] = field(default_factory=dict)
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def head(self) -> int:
        return self.entries[-1].position if self.entries else 0

    async def follow(self, log: JetStreamLog) -> None:
        async for batch in log.follow(after=self.head):
            for entry in batch:
                self.take(entry)
            self.moved.set()
            self.moved = asyncio.Event()

    def take(self, entry: Entry) -> None:
        self.entries.append(entry)
        address = address_of(entry.subject)
        if address.kind == JOB.kind:
            self.jobs[address.key] = JOB.fold(job_events(entry), self.jobs.get(address.key, JOB.initial))

    async def until(self, reached: Callable[[], bool], timeout_seconds: float) -> bool:
        """Wait until ``reached()``, asked at every new entry; False when it is not after ``timeout_seconds``."""
        try:
            async with asyncio.timeout(timeout_seconds):
                while not reached():
                    await self.moved.wait()
        except TimeoutError:
            return False
        return True

    def status(self, job: str) -> str:
        return self.jobs.get(job, JOB.initial).status

    def all_terminal(self, jobs: list[str]) -> bool:
        return all(self.status(job) in TERMINAL for job in jobs)

    def story(self, jobs: Sequence[str]) -> list[str]:
        """A line for every event of ``jobs`` and, from the first of them on, of the nodes: for a failed test."""
        subjects = {job_address(job).subject for job in jobs}
        first = next((entry.position for entry in self.entries if entry.subject in subjects), 0)
        return [
            f"{entry.position} {commit.at:%H:%M:%S.%f} {address_of(entry.subject)} {without_spec(event)}"
            for entry in self.entries
            if entry.position >= first and (entry.subject in subjects or address_of(entry.subject).kind == "node")
            for commit in [entry.commit()]
            for event in events_of(entry)
        ]


def without_spec(event: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in event.items() if name != "spec"}


def job_events(entry: Entry) -> list[JobEvent]:
    return JOB.events.decode(entry.commit().events)


def events_of(entry: Entry) -> list[dict[str, object]]:
    """The events as plain data, so that the checkers do not share the product's idea of them."""
    found: list[dict[str, object]] = msgspec.json.decode(entry.commit().events)
    return found


def job_address(name: str) -> Address:
    return Address("main", JOB.kind, name)
