"""The writer keeps its promise when acknowledgements are lost and others write first."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from treering.adapters.memory_log import MemoryLog
from treering.domain.job import JOB
from treering.domain.job_messages import AssignJob, CancelJob, SubmitJob, UpdateJob
from treering.kernel.bounds import ITEMS_MAX
from treering.kernel.command import Context
from treering.kernel.log import Appended, LogUnavailable
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.kernel.writer import Writer
from treering.testing.examples import SPEC

pytestmark = pytest.mark.anyio
J1 = Address("main", "job", "j1")
SUBMIT = SubmitJob(SPEC)


def by(command_id: str) -> Context:
    return Context(command_id, datetime(2026, 1, 1, 12, tzinfo=UTC), "u_1")


class ForgetfulLog(MemoryLog):
    """Stores, and then says that it does not know: what a lost acknowledgement looks like."""

    async def append(self, subject: str, body: bytes, *, id: str, expected: int) -> Appended:
        await super().append(subject, body, id=id, expected=expected)
        raise LogUnavailable("no acknowledgement")


async def test_a_command_said_twice_by_two_writers_is_stored_once() -> None:
    log = MemoryLog()
    first = await Writer(log, JOB).execute(J1, SUBMIT, by("c1"))
    again = await Writer(log, JOB).execute(J1, SUBMIT, by("c1"))
    assert (again.position, again.version, again.changed) == (first.position, 1, False)
    assert len(log.entries) == 1


async def test_a_late_writer_decides_again_on_what_really_happened() -> None:
    log = MemoryLog()
    first, second = Writer(log, JOB), Writer(log, JOB)
    await first.execute(J1, SUBMIT, by("c1"))
    await second.catch_up(J1)
    await first.execute(J1, CancelJob(), by("c2"))
    with pytest.raises(Refused, match=r"job\.not_queued"):
        await second.execute(J1, AssignJob(1, "n1", "i1"), by("c3"))


async def test_a_refusal_is_only_believed_on_fresh_state() -> None:
    log = MemoryLog()
    await Writer(log, JOB).execute(J1, SUBMIT, by("c1"))
    assert (await Writer(log, JOB).execute(J1, AssignJob(1, "n1", "i1"), by("c2"))).position == 2


async def test_an_append_whose_acknowledgement_was_lost_is_found_on_the_next_try() -> None:
    log = ForgetfulLog()
    writer = Writer(log, JOB)
    with pytest.raises(LogUnavailable):
        await writer.execute(J1, SUBMIT, by("c1"))
    assert (await writer.execute(J1, SUBMIT, by("c1"))).position == 1
    assert len(log.entries) == 1


async def test_commands_on_one_resource_take_turns_and_all_are_kept() -> None:
    log = MemoryLog()
    writer = Writer(log, JOB)
    await writer.execute(J1, SUBMIT, by("c0"))
    updates = [writer.execute(J1, UpdateJob(display_name=f"n{n}"), by(f"c{n + 1}")) for n in range(50)]
    await asyncio.gather(*updates)
    assert [entry.commit().version for entry in log.entries] == list(range(1, 52))


async def test_the_history_of_a_resource_is_a_chain_of_hashes() -> None:
    log = MemoryLog()
    writer = Writer(log, JOB)
    for number in range(3):
        await writer.execute(J1, SUBMIT if number == 0 else UpdateJob(description=str(number)), by(f"c{number}"))
    hashes = ["", *(entry.hash() for entry in log.entries)]
    assert [entry.commit().prev for entry in log.entries] == hashes[:-1]


async def test_a_writer_that_is_cancelled_while_it_waits_lets_the_next_one_in() -> None:
    log = MemoryLog()
    writer = Writer(log, JOB)
    await writer.take_turn(J1)
    waiting = asyncio.create_task(writer.execute(J1, SUBMIT, by("c1")))
    behind = asyncio.create_task(writer.execute(J1, SUBMIT, by("c2")))
    await asyncio.wait({waiting}, timeout=0)
    waiting.cancel()
    await asyncio.wait({waiting})
    writer.pass_turn(J1)
    assert (await behind).position == 1


@pytest.mark.parametrize("body", [b"\xff", b"{}", b'{"events": 7}'], ids=["bytes", "empty", "other"])
async def test_a_resource_with_bytes_that_are_no_commit_is_refused_and_others_are_not(body: bytes) -> None:
    log = MemoryLog()
    writer = Writer(log, JOB)
    await writer.execute(J1, SUBMIT, by("c1"))
    await log.append(J1.subject, body, id="x", expected=1)
    with pytest.raises(Refused, match=r"resource\.incomplete.*position 2"):
        await writer.execute(J1, CancelJob(), by("c2"))
    assert (await writer.execute(Address("main", "job", "j2"), SUBMIT, by("c3"))).position == 3


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ({"k" * 2000: "v"}, "commit.out_of_bounds"),
        ({f"k{number}": "v" for number in range(ITEMS_MAX + 1)}, "commit.out_of_bounds"),
        ({f"k{number}": "v" * 60_000 for number in range(600)}, "commit.too_large"),
    ],
)
async def test_events_beyond_their_bounds_are_never_stored(tags: dict[str, str], code: str) -> None:
    """A command that was not decoded, but made by a service, has been checked by nobody."""
    log = MemoryLog()
    writer = Writer(log, JOB)
    await writer.execute(J1, SUBMIT, by("c1"))
    with pytest.raises(Refused) as refused:
        await writer.execute(J1, UpdateJob(tags=tags), by("c2"))
    assert refused.value.code == code
    assert len(log.entries) == 1
    assert (await writer.execute(J1, UpdateJob(tags={"a": "1"}), by("c3"))).position == 2
