"""Record commits of the present release: one history for every event type of every kind, ending with that event.

    .venv/bin/python -m tests.recorded.record            adds what has no recording yet
    .venv/bin/python -m tests.recorded.record again job  makes those of a kind anew, for a release that is not out

What an earlier release recorded is never touched: that it still decodes and folds to the same summary is the point.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from treering import __version__
from treering.adapters.memory_log import MemoryLog
from treering.domain import KINDS
from treering.kernel.aggregate import Aggregate, Summary
from treering.kernel.command import Context
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.kernel.writer import Writer
from treering.testing.examples import COMMANDS

FOLDER = Path(__file__).parent
START = datetime(2026, 11, 24, 12, tzinfo=UTC)
STATES_MAX = 2000
Steps = tuple[Any, ...]


class Stored(Struct, frozen=True):
    """One commit as the log holds it; ``body`` is its bytes as text."""

    subject: str
    body: str


class Recording(Struct, frozen=True):
    """``commits`` lead to ``event`` in the last one; ``summary`` is what every list then says."""

    event: str
    commits: list[Stored]
    summary: Summary


def recordings() -> Iterator[tuple[str, str, Recording]]:
    """All there are: release, kind and recording."""
    for path in sorted(FOLDER.glob("*/*.jsonl")):
        for line in path.read_bytes().splitlines():
            yield path.parent.name, path.stem, msgspec.json.decode(line, type=Recording)


def recorded_types(kind: str) -> set[str]:
    return {recording.event for _, name, recording in recordings() if name == kind}


def shortest_ways(kind: Aggregate[Any, Any, Any], commands: list[Any]) -> dict[str, Steps]:
    """For each event type the fewest example commands that end with it."""
    ways: dict[str, Steps] = {}
    seen = [kind.initial]
    waiting: deque[tuple[Any, Steps]] = deque([(kind.initial, ())])
    while waiting and set(ways) != set(kind.event_types) and len(seen) < STATES_MAX:
        state, steps = waiting.popleft()
        for command in commands:
            try:
                events = kind.decide(state, command)
            except Refused:
                continue
            for event in events:
                ways.setdefault(str(event.__struct_config__.tag), (*steps, command))
            after = kind.fold(events, state)
            if after not in seen:
                seen.append(after)
                waiting.append((after, (*steps, command)))
    return ways


async def record(kind: Aggregate[Any, Any, Any], event: str, steps: Steps) -> Recording:
    log = MemoryLog()
    address = Address("main", kind.kind, "main" if kind.kind == "workspace" else "recorded")
    writer = Writer(log, kind)
    for number, command in enumerate(steps, start=1):
        await writer.execute(address, command, Context(f"c{number}", START + timedelta(seconds=number), "u_1"))
    stored = [Stored(entry.subject, entry.body.decode()) for entry in log.entries]
    return Recording(event, stored, kind.summary(writer.known[address].state))


def write(kind: str, *, again: bool = False) -> list[str]:
    """Add the recordings that ``kind`` lacks to this release's file; the event types that were recorded."""
    path = FOLDER / __version__ / f"{kind}.jsonl"
    if again:
        path.unlink(missing_ok=True)
    missing = sorted(set(KINDS[kind].event_types) - recorded_types(kind))
    if not missing:
        return []
    ways = shortest_ways(KINDS[kind], COMMANDS[kind])
    made = [asyncio.run(record(KINDS[kind], event, ways[event])) for event in missing]
    path.parent.mkdir(exist_ok=True)
    with path.open("ab") as file:
        file.writelines(msgspec.json.encode(recording) + b"\n" for recording in made)
    return missing


def main(arguments: list[str]) -> None:
    again = arguments[1:] if arguments[:1] == ["again"] else []
    for kind in KINDS:
        for event in write(kind, again=kind in again):
            print(f"recorded {event} in {__version__}")


if __name__ == "__main__":
    main(sys.argv[1:])
