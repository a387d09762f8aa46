"""The doctor computes every view again and names what the stored one has otherwise."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from tests.adapters.test_incomplete import BAD, a_poisoned_log
from tests.views.test_tracking import a_log, some_points

from treering.adapters import doctor_replay
from treering.adapters.doctor_replay import replay
from treering.adapters.findings import Finding
from treering.adapters.log_copy import FILE_NAME, LogCopy
from treering.adapters.points_copy import POINTS_FILE, PointsCopy
from treering.adapters.second_stream import SecondStream
from treering.adapters.sqlite_view import SqliteView
from treering.config import Home
from treering.kernel.log import Entry
from treering.views.audit import AuditView
from treering.views.lifecycle import LifecycleView
from treering.views.states import StatesView
from treering.views.tracking import TrackingView, points_entries, points_units

FILES = {"audit": "monitor", "lifecycle": "monitor", "states": "up", "tracking": "gateway"}
# What a bad disk, or somebody with an editor, may do to a view; and a word of what is found.
CHANGES = [
    ("states", "UPDATE states SET status = 'FAILED' WHERE key = 'r1' AND kind = 'run'", "run/r1"),
    ("states", "DELETE FROM states WHERE key = 'e2'", "experiment/e2"),
    ("lifecycle", "UPDATE current SET created_by = 'mallory' WHERE key = 'e1'", "experiment/e1"),
    ("audit", "UPDATE event_rows SET actor = 'mallory' WHERE id = (SELECT max(id) FROM event_rows)", "at position"),
    ("audit", "INSERT INTO days VALUES ('2020-01-01', 1, 1)", "2020-01-01"),
    ("tracking", "UPDATE runs SET status = 'FAILED', name = 'other' WHERE run_id = 'r1'", "run/r1"),
    ("tracking", "UPDATE latest_metrics SET value = 7 WHERE run = (SELECT min(run) FROM latest_metrics)", "run"),
    ("tracking", "DELETE FROM metric_chunks", "run"),
    ("tracking", "UPDATE checkpoint SET hash = 'x'", "position"),
]


async def a_home(folder: Path, commits: Sequence[Entry], points: Sequence[Entry]) -> Home:
    """Second copies and views as services leave them."""
    home = Home(folder / "home")
    home.create()
    for copy, entries in (
        (LogCopy(home.copy / FILE_NAME), commits), (PointsCopy(home.copy / POINTS_FILE), points),
    ):  # fmt: skip
        await copy.open()
        if entries:
            await copy.apply(entries)
        await copy.close()
    for view in (AuditView(), LifecycleView(), StatesView(), TrackingView()):
        path = home.views(FILES[view.name])
        path.mkdir(parents=True, exist_ok=True)
        store = SqliteView(view, path / f"{view.name}.db")
        await store.open()
        for start in range(0, len(commits), 37):
            await store.apply(commits[start : start + 37])
        if isinstance(view, TrackingView):
            second = SecondStream(store, "MET", points_entries, points_units, view.project_points)
            await second.open()
            if points:
                await second.apply(points)
        await store.close()
    return home


def found(home: Home) -> list[Finding]:
    return list(replay(home))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return asyncio.run(a_home(tmp_path, asyncio.run(a_log(3)), some_points(3)))


def test_views_that_are_what_the_log_makes_of_them_are_well(home: Home) -> None:
    said = found(home)
    assert [one.state for one in said] == ["ok"] * len(FILES), said
    assert not list(home.root.glob(".doctor-*")), "the temporary folder is gone"


@pytest.mark.parametrize(("view", "change", "word"), CHANGES, ids=[change for _, change, _ in CHANGES])
def test_a_changed_row_is_found_and_named(home: Home, view: str, change: str, word: str) -> None:
    path = home.views(FILES[view]) / f"{view}.db"
    with closing(sqlite3.connect(path)) as db, db:
        assert db.execute(change).rowcount >= 1
    wrong = [one for one in found(home) if one.state == "wrong"]
    assert wrong and all(f"{FILES[view]}/{view}" in one.found for one in wrong), wrong
    assert any(word in one.found for one in wrong), wrong
    assert all(str(path) in one.advice for one in wrong)


def test_what_a_view_leaves_out_is_named_with_its_position(tmp_path: Path) -> None:
    home = asyncio.run(a_home(tmp_path, a_poisoned_log(b"no commit")[:3], []))
    warnings = [one.found for one in found(home) if one.state == "warning"]
    assert len(warnings) == len(FILES)
    assert all(f"{BAD}: position 3 of the log" in one for one in warnings), warnings


def test_a_view_ahead_of_the_copy_is_not_compared(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_replay, "CATCH_UP_SECONDS", 0.0)
    with closing(sqlite3.connect(home.copy / FILE_NAME)) as db, db:
        db.execute("DELETE FROM commits WHERE position > 10")
    assert {one.state for one in found(home)} == {"warning"}
