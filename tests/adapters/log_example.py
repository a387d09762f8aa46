"""A log of a few resources in memory, for tests of what keeps, proves and restores one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from treering.adapters.log_copy import LogCopy
from treering.adapters.memory_log import MemoryLog
from treering.domain.experiment import EXPERIMENT
from treering.domain.experiment_messages import CreateExperiment, UpdateExperiment
from treering.kernel.command import Context
from treering.kernel.log import Entry
from treering.kernel.subjects import Address
from treering.kernel.writer import Writer

START = datetime(2026, 1, 1, tzinfo=UTC)
RESOURCES = 7


async def some_entries(count: int) -> Sequence[Entry]:
    """A log of ``count`` commits on seven experiments."""
    log = MemoryLog()
    writer = Writer(log, EXPERIMENT)
    for number in range(count):
        address = Address("w", "experiment", f"é{number % RESOURCES}")
        command = CreateExperiment() if number < RESOURCES else UpdateExperiment("x" * (number % 97) + str(number))
        await writer.execute(address, command, Context(f"c{number}", START + timedelta(seconds=number), "anna"))
    assert len(log.entries) == count
    return log.entries


@asynccontextmanager
async def opened_copy(path: Path, entries: Sequence[Entry] = ()) -> AsyncIterator[LogCopy]:
    """The second copy in the file ``path``, with ``entries`` added to what it holds."""
    copy = LogCopy(path)
    await copy.open()
    try:
        if entries:
            await copy.apply(entries)
        yield copy
    finally:
        await copy.close()
