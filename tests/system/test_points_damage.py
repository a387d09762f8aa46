"""A bit of the metric points is not what it was: it is named, nothing starts, one command mends it."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.system.http_client import Gateway
from tests.system.test_backup import answer, treering
from tests.system.test_up_death import WAIT_SECONDS, running_below
from tests.system.up import moved_copy, refused_up, up
from tests.system.views import until

from treering.adapters.log_check import POINTS_NEWEST, SMALL_POINTS_BYTES
from treering.adapters.log_copy import LogCopy
from treering.adapters.points_copy import PointsCopy, last_seal
from treering.adapters.read_only import position_of
from treering.adapters.stream_files import record_at
from treering.config import Home

pytestmark = pytest.mark.anyio
REQUESTS = 12
MORE = 48  # so that the first points are not among the newest
POINTS = 50
API = "/api/2.0/mlflow"


def logged(home: Home, requests: int = REQUESTS) -> str:
    """A run with some hundred points, in a dozen messages; its id."""
    gateway = Gateway(home, [])
    made = gateway.post_once(f"{API}/runs/create", {"experiment_id": "0", "start_time": 1}, f"run{requests}")
    assert made is not None and made.status == 200
    run = json.loads(made.body)["run"]["info"]["run_id"]
    for number in range(requests):
        metrics = [{"key": "loss", "value": n / 7, "timestamp": n, "step": n} for n in steps(number)]
        stored = gateway.post_once(
            f"{API}/runs/log-batch", {"run_id": run, "metrics": metrics}, f"b{requests}-{number}"
        )
        assert stored is not None and stored.status == 200
    return str(run)


def steps(number: int) -> range:
    return range(number * POINTS, (number + 1) * POINTS)


def history(home: Home, run: str) -> list[Any]:
    path = f"{API}/metrics/get-history?run_id={run}&metric_key=loss&max_results=25000"
    return [(one["step"], one["value"]) for one in Gateway(home, []).get_once(path)["metrics"]]


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x04
    path.write_bytes(data)


def block(home: Home) -> Path:
    (found,) = (home.root / "nats" / "store").rglob("MET/msgs/*.blk")
    return found


@pytest.fixture
def stopped(original: tuple[Home, str, list[Any]], tmp_path: Path) -> tuple[Home, str, list[Any]]:
    """A copy of it to harm."""
    home, run, before = original
    return moved_copy(home, tmp_path / "home"), run, before


@pytest.fixture(scope="module")
async def original(anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, str, list[Any]]:
    """A home with sealed points that does not run: the run, and its history as it was."""
    home = Home(tmp_path_factory.mktemp("original") / "home")
    async with up(home.root):
        run = logged(home)
        before = history(home, run)
        await answer(home, "log", "checkpoint")
        verified = await answer(home, "log", "verify")
    assert len(before) == REQUESTS * POINTS and verified["points"] == REQUESTS
    return home, run, before


async def test_a_flipped_bit_of_the_points_is_named_and_mended(stopped: tuple[Home, str, list[Any]]) -> None:
    home, run, before = stopped
    flip(block(home))
    code, said = await refused_up(home.root)
    assert code == 1 and "of the stream of metric points" in said and "treering log restore" in said
    done = await treering(home, "log", "verify")
    assert done.returncode == 1 and json.loads(done.stdout)["ok"] is False
    assert "of the stream of metric points" in done.stderr
    report = await answer(home, "log", "restore", "--yes")
    assert report["points"] == REQUESTS
    assert [Path(path).name for path in report["moved_to"]] == ["MET.damaged-1"]  # the log was well
    shutil.rmtree(home.root / "views")  # the chunks are computed again, out of what was restored
    async with up(home.root):
        assert history(home, run) == before
        assert (await answer(home, "log", "verify"))["ok"] is True


def move_a_position_far(path: Path) -> None:
    """The second message says a position so far away that a nats-server would never have noted all that is missing."""
    data = bytearray(path.read_bytes())
    _, second = record_at(bytes(data), 0)
    data[second + 9] ^= 1
    path.write_bytes(data)


async def test_a_position_no_server_gets_past_is_named_at_once_and_mended(stopped: tuple[Home, str, list[Any]]) -> None:
    home, run, before = stopped
    move_a_position_far(block(home))
    named = "position 2 of the stream of metric points is not what was stored"
    code, said = await refused_up(home.root)
    assert code == 1 and said.count("\n") == 0 and named in said and "treering log restore" in said
    doctor = await treering(home, "doctor", "-o", "json")
    assert named in doctor.stdout and "`treering log restore`" in doctor.stdout
    for command in (("log", "verify"), ("backup", str(home.root.parent / "saved")), ("log", "recopy", "--yes")):
        done = await treering(home, *command)
        assert done.returncode == 1 and named in done.stderr and "Traceback" not in done.stderr
    report = await answer(home, "log", "restore", "--yes")
    assert report["points"] == REQUESTS
    assert [Path(path).name for path in report["moved_to"]] == ["MET.damaged-1"]  # the log was well
    async with up(home.root):
        assert history(home, run) == before


def change_a_point_of_the_copy(home: Home) -> None:
    with closing(sqlite3.connect(home.copy / "points.db")) as db, db:
        assert db.execute("SELECT max(position) FROM commits").fetchone()[0] > POINTS_NEWEST
        db.execute("UPDATE commits SET body = x'7b7d' WHERE position = 3")


def last_of_copy(home: Home) -> int | None:
    return position_of(home.copy / "log.db", "commits")


@pytest.fixture
async def changed(stopped: tuple[Home, str, list[Any]]) -> Home:
    """A home with more points than a start always compares, one of the first changed in the copy."""
    home, _, _ = stopped
    async with up(home.root):
        logged(home, MORE)
        await answer(home, "log", "checkpoint")
    change_a_point_of_the_copy(home)
    return home


async def test_a_changed_row_of_the_copy_of_the_points_starts_nothing(changed: Home) -> None:
    before = last_of_copy(changed)
    code, said = await refused_up(changed.root)
    assert code == 1 and said.count("\n") == 0, said
    assert "position 3 of the second copy of the metric points" in said and "treering log recopy" in said
    assert last_of_copy(changed) == before and not (changed.copy / "alarm").exists()
    await answer(changed, "log", "recopy", "--yes")
    async with up(changed.root):
        assert (await answer(changed, "log", "verify"))["ok"] is True


async def test_damage_that_is_found_only_after_the_start_ends_all_of_it(changed: Home) -> None:
    """Of a large copy the newest points only are compared before: then the monitor ends it, and the executor too."""
    with closing(sqlite3.connect(changed.copy / "points.db")) as db, db:
        db.execute("CREATE TABLE weight AS SELECT zeroblob(?) AS filling", (SMALL_POINTS_BYTES,))
    code, said = await refused_up(changed.root)
    assert code == 1 and "position 3 of the second copy of the metric points" in said
    assert await until(lambda: not running_below(changed.root), WAIT_SECONDS)


async def test_points_changed_in_stream_and_copy_alike_contradict_the_log(
    stopped: tuple[Home, str, list[Any]], tmp_path: Path
) -> None:
    """Another history of points, whole in itself, is put in the place of the first."""
    home, _, _ = stopped
    other = Home(tmp_path / "other")
    async with up(other.root):
        logged(other)
        assert (await answer(other, "log", "verify"))["points"] == REQUESTS  # the copy has them all
    for part in ("nats/store/jetstream/TREERING/streams/MET", "copy/points.db"):
        target, source = home.root / part, other.root / part
        if source.is_dir():
            shutil.rmtree(target)
            shutil.copytree(source, target)
        else:
            for path in target.parent.glob(f"{target.name}*"):
                path.unlink()
            for path in source.parent.glob(f"{source.name}*"):
                shutil.copy(path, target.parent / path.name)
    code, said = await refused_up(home.root)
    assert code == 1 and "are not those that the log says there were" in said


async def test_a_copy_of_the_points_whose_end_was_cut_off_is_made_again(stopped: tuple[Home, str, list[Any]]) -> None:
    home, run, before = stopped
    with closing(sqlite3.connect(home.copy / "points.db")) as db, db:
        db.execute("DELETE FROM commits WHERE position > 5")
    code, said = await refused_up(home.root)
    assert code == 1 and "their second copy ends at 5" in said and "treering log recopy" in said
    done = await treering(home, "log", "verify")
    assert done.returncode == 1 and "treering log recopy" in done.stderr
    assert (await answer(home, "log", "recopy", "--yes"))["points"] == REQUESTS
    async with up(home.root):
        assert history(home, run) == before


async def test_what_is_sealed_is_what_the_copy_holds(stopped: tuple[Home, str, list[Any]]) -> None:
    home, _, _ = stopped
    log, points = LogCopy(home.copy / "log.db"), PointsCopy(home.copy / "points.db")
    await log.open()
    await points.open()
    try:
        assert await log.read(last_seal) == (REQUESTS, points.tree.root().hex())
    finally:
        await log.close()
        await points.close()


async def test_a_home_of_an_earlier_release_gets_its_copy_at_the_start(stopped: tuple[Home, str, list[Any]]) -> None:
    home, run, before = stopped
    for path in home.copy.glob("points.db*"):
        path.unlink()
    async with up(home.root):
        assert history(home, run) == before
        assert (await answer(home, "log", "checkpoint")) and (await answer(home, "log", "verify"))["points"] == REQUESTS
