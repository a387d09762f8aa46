"""No request, whatever is in it, is answered with a failure of ours, ends the installation or falsifies a view."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from tests.system.any_request import GOOD, Client, Requests, Sent
from tests.system.odd_values import encoded
from tests.system.up import up
from tests.system.views import differences, dump, read_only, rows_of, until

from treering.adapters.log_copy import FILE_NAME
from treering.adapters.points_copy import POINTS_FILE
from treering.adapters.second_stream import SecondStream
from treering.adapters.sqlite_view import SqliteView, View
from treering.config import Home
from treering.kernel.log import Entry
from treering.views.audit import AuditView
from treering.views.lifecycle import LifecycleView
from treering.views.states import StatesView
from treering.views.tracking import TrackingView, points_entries, points_units

pytestmark = pytest.mark.anyio
SEED = int(os.environ.get("TREERING_SEED", "7"))
CATCH_UP_SECONDS = 30.0
VIEWS: dict[str, Callable[[], View]] = {
    "states": StatesView, "tracking": TrackingView, "audit": AuditView, "lifecycle": LifecycleView,
}  # fmt: skip


async def test_any_few_hundred_requests_leave_an_installation_that_starts_again(tmp_path: Path) -> None:
    await ask_and_restart(Home(tmp_path / "home"), rounds=2, requests=200)


@pytest.mark.soak
async def test_ten_thousand_requests_and_a_hundred_restarts(tmp_path: Path) -> None:
    await ask_and_restart(Home(tmp_path / "home"), rounds=100, requests=100)


async def ask_and_restart(home: Home, *, rounds: int, requests: int) -> None:
    """Each round is a life of the installation; at the end every view is computed again and compared."""
    supply, faults = Requests(random.Random(SEED)), list[str]()
    for _ in range(rounds):
        async with up(home.root) as process:
            client = Client(home)
            good = [Sent(method, path, encoded(body)) for method, path, body in GOOD]
            for sent in (*good, *(supply.next() for _ in range(requests))):
                answer = await asyncio.to_thread(client.send, sent)
                supply.learn(sent, answer)
                if answer.fault:
                    faults.append(f"{sent}\n    -> {answer.fault}")
            assert process.returncode is None, "the installation ended"
            client.close()
            assert await until(lambda: all_reached(home), CATCH_UP_SECONDS), standing(home)
    assert not faults, "\n".join(faults)
    assert await judged(home) == []


def entries(path: Path) -> list[Entry]:
    with closing(read_only(path)) as db:
        return [Entry(*row) for row in db.execute("SELECT position, subject, body FROM commits ORDER BY position")]


def all_reached(home: Home) -> bool:
    return len(set(standing(home).values())) == 1


def views(home: Home) -> list[Path]:
    """The files of all views that follow the log."""
    return [path for path in (home.root / "views").glob("*/*.db") if path.stem in VIEWS]


def standing(home: Home) -> dict[str, int]:
    """How far the second copy and each view are."""
    found = {"copy": one(home.copy / FILE_NAME, "SELECT max(position) FROM commits")}
    return found | {str(path): one(path, "SELECT position FROM checkpoint") for path in views(home)}


def one(path: Path, sql: str) -> int:
    with closing(read_only(path)) as db:
        row = db.execute(sql).fetchone()
    return int(row[0] or 0) if row else 0


async def judged(home: Home) -> list[str]:
    """What the views left out, and what differs from a view that is computed from the second copies in one go."""
    commits, points = entries(home.copy / FILE_NAME), entries(home.copy / POINTS_FILE)
    found = []
    for path in views(home):
        live, end = dump(path), one(path, "SELECT position FROM checkpoint")
        found += [f"{path} leaves out {row}" for row in live.get("incomplete", [])]
        found += differences(path, live, await rebuilt(VIEWS[path.stem](), commits[:end], points))
    assert {path.stem for path in views(home)} == set(VIEWS)
    return found


async def rebuilt(view: View, commits: Sequence[Entry], points: Sequence[Entry]) -> dict[str, list[tuple[object, ...]]]:
    store = SqliteView(view, ":memory:")
    await store.open()
    try:
        await store.apply(commits)
        if isinstance(view, TrackingView):
            second = SecondStream(store, "MET", points_entries, points_units, view.project_points)
            await second.open()
            if points:
                await second.apply(points)
        return await store.read(rows_of)
    finally:
        await store.close()
