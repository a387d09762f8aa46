"""What every event log does. Each adapter of the port runs this suite: subclass it and give a ``log``."""

from __future__ import annotations

import asyncio

import pytest

from treering.kernel.clock import now
from treering.kernel.log import Commit, Conflict, Entry, EventLog, commit_id, encoder
from treering.kernel.writer import COMMIT_BYTES_MAX


def body(id: str) -> bytes:
    return encoder.encode(Commit(id, id, 1, now(), "u_1"))


async def put(log: EventLog, id: str, subject: str = "evt.main.job.j1", expected: int = 0) -> int:
    return (await log.append(subject, body(id), id=commit_id(subject, id), expected=expected)).position


async def take(log: EventLog, count: int, after: int = 0, subject: str = "evt.>") -> list[Entry]:
    """The next ``count`` entries that ``follow`` yields."""
    found: list[Entry] = []
    async with asyncio.timeout(10):
        async for batch in log.follow(after=after, subject=subject):
            found.extend(batch)
            if len(found) >= count:
                return found
    raise AssertionError("follow ended")


class LogContract:
    pytestmark = pytest.mark.anyio

    async def test_entries_come_back_in_order_as_they_were_written(self, log: EventLog) -> None:
        first = await put(log, "a")
        second = await put(log, "b", expected=first)
        entries = await log.read("evt.main.job.j1")
        assert [(entry.position, entry.commit().id) for entry in entries] == [(first, "a"), (second, "b")]
        assert second > first
        assert await log.head() == second

    async def test_a_stale_expectation_is_a_conflict(self, log: EventLog) -> None:
        await put(log, "a")
        with pytest.raises(Conflict):
            await put(log, "b")

    async def test_resources_do_not_disturb_each_other(self, log: EventLog) -> None:
        await put(log, "a")
        await put(log, "b", "evt.main.job.j2")
        assert [entry.commit().id for entry in await log.read("evt.main.job.j2")] == ["b"]

    async def test_a_commit_repeated_with_a_fresh_expectation_is_stored_once(self, log: EventLog) -> None:
        subject, id = "evt.main.job.j1", commit_id("evt.main.job.j1", "a")
        first = await log.append(subject, body("a"), id=id, expected=0)
        again = await log.append(subject, body("a"), id=id, expected=first.position)
        assert again.duplicate and again.position == first.position
        assert len(await log.read(subject)) == 1

    async def test_of_many_racing_writers_exactly_one_wins(self, log: EventLog) -> None:
        tries = await asyncio.gather(*(put(log, f"w{n}") for n in range(40)), return_exceptions=True)
        assert sum(isinstance(outcome, int) for outcome in tries) == 1
        assert all(isinstance(outcome, int | Conflict) for outcome in tries)

    async def test_a_hundred_appends_at_once_are_all_kept_with_positions_of_their_own(self, log: EventLog) -> None:
        subjects = [f"evt.main.job.j{n}" for n in range(100)]
        positions = await asyncio.gather(*(put(log, f"c{n}", subject) for n, subject in enumerate(subjects)))
        assert sorted(positions) == list(range(1, 101))
        for position, subject in zip(positions, subjects, strict=True):
            assert [entry.position for entry in await log.read(subject)] == [position]

    async def test_one_loser_in_a_crowd_does_not_harm_the_others(self, log: EventLog) -> None:
        await put(log, "first", "evt.main.job.taken")
        crowd = [put(log, f"c{n}", f"evt.main.job.j{n}") for n in range(60)]
        outcomes = await asyncio.gather(*crowd, put(log, "late", "evt.main.job.taken"), return_exceptions=True)
        assert isinstance(outcomes[-1], Conflict)
        assert all(isinstance(outcome, int) for outcome in outcomes[:-1])

    async def test_a_commit_of_many_mebibytes_is_stored_whole_beside_others(self, log: EventLog) -> None:
        subject, large = "evt.main.job.large", b"x" * (COMMIT_BYTES_MAX - 4096)
        appended = log.append(subject, large, id=commit_id(subject, "a"), expected=0)
        _, *others = await asyncio.gather(appended, *(put(log, f"c{n}", f"evt.main.job.j{n}") for n in range(10)))
        assert [entry.body for entry in await log.read(subject)] == [large]
        followed = await take(log, 11)
        assert [entry.position for entry in followed] == list(range(1, 12)) and len(set(others)) == 10
        assert next(entry.body for entry in followed if entry.subject == subject) == large

    async def test_a_history_larger_than_one_answer_is_read_whole(self, log: EventLog) -> None:
        subject, position = "evt.main.job.j1", 0
        for number in range(6):
            body = bytes([number]) * 3_000_000
            position = (await log.append(subject, body, id=commit_id(subject, str(number)), expected=position)).position
        assert [entry.body[0] for entry in await log.read(subject)] == [0, 1, 2, 3, 4, 5]

    async def test_following_sees_what_was_and_then_what_comes(self, log: EventLog) -> None:
        position = 0
        for number in range(5):
            position = await put(log, f"a{number}", expected=position)
        following = asyncio.create_task(take(log, 8, after=2))
        for number in range(5):
            position = await put(log, f"b{number}", expected=position)
        assert [entry.position for entry in await following][:8] == list(range(3, 11))

    async def test_following_one_kind_sees_only_that_kind(self, log: EventLog) -> None:
        await put(log, "a", "evt.main.node.n1")
        await put(log, "b", "evt.main.job.j1")
        found = await take(log, 1, subject="evt.*.job.*")
        assert [entry.subject for entry in found] == ["evt.main.job.j1"]

    async def test_reading_a_long_history_gives_all_of_it(self, log: EventLog) -> None:
        position = 0
        for number in range(300):
            position = await put(log, f"a{number}", expected=position)
        assert len(await log.read("evt.main.job.j1")) == 300
        assert len(await log.read("evt.main.job.j1", after=290)) == 10
