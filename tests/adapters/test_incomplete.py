"""What a view does with an entry that it cannot apply: the resource is set aside, everything else goes on."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.views.test_monitor_views import dump
from tests.views.test_tracking import Both, a_log, rebuilt, some_points

from treering.adapters.incomplete import Incomplete, incomplete_rows, require_complete
from treering.adapters.log_copy import LogCopy
from treering.adapters.sqlite_view import SqliteView, View
from treering.domain.run_messages import RunCreated, RunUpdated
from treering.kernel.log import Commit, Entry, encoder
from treering.kernel.points import Points, RunPoints, Series
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.views.audit import AuditView
from treering.views.lifecycle import LifecycleView
from treering.views.states import StatesView, newest, show
from treering.views.tracking import TrackingView
from treering.views.tracking.metrics import history
from treering.views.tracking.run_reads import run

pytestmark = pytest.mark.anyio
START = datetime(2026, 1, 1, tzinfo=UTC)
BAD, GOOD = Address("main", "run", "bad"), Address("main", "run", "good")
VIEWS: list[Callable[[], View]] = [AuditView, LifecycleView, StatesView, TrackingView]


def commit(address: Address, version: int, *events: Any) -> bytes:
    body = b"[" + b",".join(event if isinstance(event, bytes) else encoder.encode(event) for event in events) + b"]"
    id = f"{address}-{version}"
    return encoder.encode(Commit(id, id, version, START, "anna", events=msgspec.Raw(body)))


CREATED = RunCreated("Default", "first", "anna", 1)
# An entry that some view cannot apply, and the views that can all the same.
POISON: dict[str, tuple[bytes, set[str]]] = {
    "time of 2**63": (commit(BAD, 2, RunUpdated(end_time=2**63)), {"audit", "lifecycle", "states"}),
    "no such event": (commit(BAD, 2, {"type": "run.exploded"}), {"audit"}),
    "events without types": (commit(BAD, 2, 7, [], None), set()),
    "no JSON": (b"\xff\x00", set()),
    "nothing": (b"", set()),
    "nested too deeply": (commit(BAD, 2, b"[" * 3000 + b"]" * 3000), set()),
    "another object": (b'{"events": 7}', set()),
}


def a_poisoned_log(poison: bytes) -> list[Entry]:
    """Two runs; the second commit of one is the poison, and both go on behind it."""
    more = RunUpdated("FINISHED", 5)
    bodies = [
        (BAD, commit(BAD, 1, CREATED)), (GOOD, commit(GOOD, 1, CREATED)), (BAD, poison),
        (GOOD, commit(GOOD, 2, more)), (BAD, commit(BAD, 3, more)), (GOOD, commit(GOOD, 3, RunUpdated(name="last"))),
    ]  # fmt: skip
    return [Entry(number, address.subject, body) for number, (address, body) in enumerate(bodies, start=1)]


async def applied(make: Callable[[], View], batches: Sequence[Sequence[Entry]]) -> tuple[Any, list[Incomplete]]:
    store = SqliteView(make(), ":memory:")
    await store.open()
    try:
        for batch in batches:
            await store.apply(batch)
        assert (await store.checkpoint()).position == batches[-1][-1].position
        return await store.read(dump), await store.read(incomplete_rows)
    finally:
        await store.close()


@pytest.mark.parametrize("name", POISON)
@pytest.mark.parametrize("make", VIEWS)
async def test_a_view_leaves_out_the_resource_and_shows_all_others(make: Callable[[], View], name: str) -> None:
    # Given a log in which one commit of a run is poison,
    poison, harmless = POISON[name]
    entries = a_poisoned_log(poison)
    # when a view follows it, in one batch or entry by entry,
    together, incomplete = await applied(make, [entries])
    alone, same = await applied(make, [[entry] for entry in entries])
    # then the rows are the same, and what is left out is the run from the poison on.
    assert together == alone and incomplete == same
    expected = [] if make().name in harmless else [(BAD, 3)]
    assert [(row.address, row.position) for row in incomplete] == expected
    if expected:
        without = [entry for entry in entries if entry.subject != BAD.subject or entry.position < 3]
        tables = [rows for rows in (await applied(make, [without]))[0] if rows not in together]
        assert not tables or all(len(rows) == 0 for rows in tables), "the rows of others differ"


async def test_a_resource_that_was_set_aside_is_refused_and_left_out_of_lists() -> None:
    store = SqliteView(StatesView(), ":memory:")
    await store.open()
    await store.apply(a_poisoned_log(b"no commit"))
    with pytest.raises(Refused) as found:
        await store.read(lambda db: show(db, BAD))
    assert found.value.code == "view.incomplete" and "position 3" in found.value.detail
    assert [one.name for one in await store.read(lambda db: newest(db, "main", "run"))] == ["good"]
    good = await store.read(lambda db: show(db, GOOD))
    assert good is not None and good.version == 3
    await store.close()


async def test_what_was_set_aside_stays_so_when_the_file_is_opened_again(tmp_path: Path) -> None:
    entries = a_poisoned_log(b"no commit")
    for part in (entries[:4], entries[4:]):
        store = SqliteView(StatesView(), tmp_path / "states.db")
        await store.open()
        await store.apply(part)
        assert store.incomplete == 1
        with pytest.raises(Refused):
            await store.read(lambda db: require_complete(db, BAD))
        await store.close()


def points(position: int, *runs: RunPoints) -> Entry:
    return Entry(position, "met.main.points", encoder.encode(Points(str(position), START, list(runs))))


def of_run(address: Address, number: int, step: int) -> RunPoints:
    return RunPoints(address.key, number, 0, 1, "anna", [Series("loss", [0.5], [1], [step])])


async def test_points_that_cannot_be_applied_set_their_run_aside_and_no_other_in_the_message() -> None:
    both = await Both(":memory:").open()
    await both.store.apply([entry for entry in a_poisoned_log(b"") if entry.position in (1, 2)])
    await both.second.apply([
        points(1, of_run(BAD, 1, 2**63), of_run(GOOD, 2, 1)),
        Entry(2, "met.main.points", b"no points"),
        points(3, of_run(BAD, 1, 5), of_run(GOOD, 2, 2)),
    ])  # fmt: skip
    assert (await both.second.checkpoint()).position == 3
    found = await both.store.read(incomplete_rows)
    assert [(row.said, row.stream, row.position) for row in found] == [
        ("run/bad", "MET", 1), ("met.main.points@2", "MET", 2),
    ]  # fmt: skip
    with pytest.raises(Refused):
        await both.store.read(lambda db: run(db, "main", "bad"))
    assert list((await both.store.read(lambda db: history(db, 2, "loss"))).steps) == [1, 2]
    assert list((await both.store.read(lambda db: history(db, 1, "loss"))).steps) == []
    await both.store.close()


@pytest.mark.parametrize("seed", range(4))
async def test_a_poisoned_view_computed_again_is_the_live_one(seed: int, tmp_path: Path) -> None:
    # Given a random history into which poison of each sort was put,
    chance = random.Random(seed)
    entries, logged = list(await a_log(seed)), some_points(seed)
    for place in chance.sample(range(20, len(entries)), 4):
        entries[place] = entries[place]._replace(body=chance.choice([poison for poison, _ in POISON.values()]))
    logged[7] = logged[7]._replace(body=b"no points")
    logged[9] = points(10, of_run(Address("main", "run", "r1"), 1, 2**63))
    # when a view follows both streams in any batches, then it is what one computed again is.
    both = await Both(tmp_path / "live.db").open()
    position, logged_position = 0, 0
    while position < len(entries) or logged_position < len(logged):
        batch = entries[position : position + chance.randint(1, 60)]
        some = logged[logged_position : logged_position + chance.randint(1, 9)]
        if batch:
            await both.store.apply(batch)
        if some:
            await both.second.apply(some)
        position, logged_position = position + len(batch), logged_position + len(some)
    assert await both.store.read(incomplete_rows)
    assert await both.rows() == await rebuilt(entries, logged)
    await both.store.close()


async def test_the_copy_keeps_bytes_that_are_no_commit_and_goes_on(tmp_path: Path) -> None:
    entries = [entry for entry in a_poisoned_log(b"\xff no commit") if entry.position <= 3]
    copy = LogCopy(tmp_path / "log.db")
    await copy.open()
    await copy.apply(entries)
    assert (await copy.checkpoint()).position == 3
    bodies = await copy.read(lambda db: [row["body"] for row in db.execute("SELECT body FROM commits")])
    assert bodies == [entry.body for entry in entries]
    await copy.close()


# What an earlier release stored: one update with an end time of 2**63, after which it did not start again.
POISONED = Path(__file__).parent / "poisoned"


def recorded(name: str) -> list[Entry]:
    lines = (POISONED / f"{name}.jsonl").read_bytes().splitlines()
    stored = [msgspec.json.decode(line, type=dict[str, Any]) for line in lines]
    return [Entry(one["position"], one["subject"], one["body"].encode()) for one in stored]


async def test_what_an_earlier_release_stored_and_died_of_sets_one_run_aside() -> None:
    commits, logged = recorded("log"), recorded("points")
    both = await Both(":memory:").open()
    await both.store.apply(commits)
    await both.second.apply(logged)
    (row,) = await both.store.read(incomplete_rows)
    assert row.position == len(commits) and row.subject == commits[-1].subject and "too large" in row.why
    shown = {entry.subject for entry in commits if ".run." in entry.subject} - {row.subject}
    for subject in shown:
        found = await both.store.read(partial(run, workspace="main", run_id=subject.rpartition(".")[2]))
        assert found is not None and found.data.metrics
    assert len(shown) == 2
    await both.store.close()


async def test_a_view_made_again_leaves_out_the_same(tmp_path: Path) -> None:
    # Given a view that leaves out a run for a commit, and another for its points,
    commits = a_poisoned_log(b"no commit")
    logged = [points(1, of_run(GOOD, 2, 1)), points(2, of_run(GOOD, 2, 2**63)), points(3, of_run(GOOD, 2, 3))]
    both = await Both(tmp_path / "view.db").open()
    await both.store.apply(commits)
    await both.second.apply(logged)
    before = await both.rows()
    # when its file is found damaged and made again while it runs, then it comes to the same rows.
    both.store.soundness.note(sqlite3.DatabaseError("a page is not what was written"))
    await both.store.make_again()
    await both.second.make_again()
    await both.store.apply(commits)
    await both.second.apply(logged)
    assert await both.rows() == before and len(await both.store.read(incomplete_rows)) == 2
    await both.store.close()
