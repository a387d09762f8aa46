"""The epochs of a log: begin one, and read those there are."""

from __future__ import annotations

from treering.domain.installation import EPOCHS, INSTALLATION, BeginEpoch, EpochBegun
from treering.kernel.clock import chance, new_id, now
from treering.kernel.command import Context
from treering.kernel.epochs import FIRST, Lineage
from treering.kernel.log import UNDECODABLE, Entry, EventLog, read_commit
from treering.kernel.writer import Writer

RESTORE, BOOTSTRAP = "service:restore", "service:bootstrap"
MARK_BYTES = 5


async def record_beginning(log: EventLog) -> None:
    """Give a new log an epoch of its own, so that a home which was deleted and made again is another log to those who
    have seen events of the one before."""
    if await log.head() == 0:
        await record_epoch(log, after=0, by=BOOTSTRAP)


async def record_epoch(log: EventLog, *, after: int, by: str = RESTORE) -> str:
    """Say in the log that it was restored at ``after``: what comes is another history than what was there before. The
    name of the epoch."""
    writer, context = Writer(log, INSTALLATION), Context(new_id(), now(), by)
    await writer.execute(EPOCHS, BeginEpoch(after, chance.hex(MARK_BYTES)), context)
    return writer.known[EPOCHS].state.epoch or FIRST


async def read_lineage(log: EventLog) -> Lineage:
    """All epochs that the log knows of."""
    lineage = Lineage()
    for entry in await log.read(EPOCHS.subject):
        lineage = with_entry(lineage, entry)
    return lineage


def with_entry(lineage: Lineage, entry: Entry) -> Lineage:
    """The lineage behind ``entry``, which is a commit of the resource that holds the epochs."""
    commit = read_commit(entry.body)
    try:
        events = INSTALLATION.events.decode(commit.events) if commit else []
    except UNDECODABLE:
        return lineage
    for event in events:
        if isinstance(event, EpochBegun):
            lineage = lineage.with_epoch(event.epoch, event.after)
    return lineage
