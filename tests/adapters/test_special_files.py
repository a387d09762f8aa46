"""A FIFO, a socket or a device in the place of a file of a home is named before anything waits for it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from treering.adapters.doctor import CHECKS, checked
from treering.adapters.home_faults import faults
from treering.adapters.home_forms import HOME_BYTES_MAX
from treering.adapters.nats_server import NatsServer
from treering.adapters.special_files import refuse_special, special_files
from treering.adapters.sqlite_faults import is_damage
from treering.adapters.sqlite_open import (
    PATH_BYTES_MAX,
    make_checked,
    open_alone,
    open_read_only,
    open_shared,
    open_to_look,
)
from treering.config import Home
from treering.kernel.refusal import Refused

STORE = "nats/store/jetstream/TREERING/streams"
PLACES = (
    "token", "url", "home.json", "witnesses.json", "keys/log.key", "keys/nats/doctor.json", "keys/actors.json",
    "copy/log.db", "copy/points.db", "copy/log.db-wal", "copy/checkpoint", f"{STORE}/EVT/msgs/1.blk",
    f"{STORE}/MET/msgs/1.blk", f"{STORE}/LOG/msgs/2.blk", "nats/url", "nats/nats.pid", "nats/nats.conf",
    "notifier/deliveries.db", "views/up/states.db", "sums/token", "up.lock",
)  # fmt: skip
OPENS: tuple[Callable[[Path], object], ...] = (
    open_alone, open_read_only, open_to_look, make_checked, lambda path: open_shared(path, "FULL"),
)  # fmt: skip


def home_of(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    return home


@pytest.mark.parametrize("place", PLACES)
def test_whatever_file_is_a_fifo_a_start_and_the_doctor_name_it_and_wait_for_nothing(
    tmp_path: Path, place: str
) -> None:
    home = home_of(tmp_path)
    path = home.root / place
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    found = [fault for fault in faults(home, with_log=True) if fault.path == path]
    assert [fault.fatal for fault in found] == [True]
    assert "is a FIFO, and a file is due" in str(found[0]) and "move it away" in str(found[0])
    said = [one for name, check in CHECKS.items() for one in checked(name, check, home)]
    assert any(one.state == "wrong" and str(path) in one.found for one in said), said
    assert all(one.check == "home" for one in said)
    with pytest.raises(Refused, match="is a FIFO"):
        refuse_special(home.root)


@pytest.mark.anyio
async def test_a_nats_server_is_not_started_on_a_store_that_would_keep_it_waiting(tmp_path: Path) -> None:
    home = home_of(tmp_path)
    (home.nats / "store").mkdir(parents=True)
    os.mkfifo(home.nats / "store" / "1.blk")
    with pytest.raises(Refused, match=r"1\.blk is a FIFO"):
        await NatsServer(home.root).start()


def test_links_count_as_what_they_lead_to_and_folders_of_jobs_may_hold_what_they_like(tmp_path: Path) -> None:
    home = home_of(tmp_path)
    (home.copy / "log.db").symlink_to("/dev/null")
    (tmp_path / "elsewhere").write_text("a file")
    (home.copy / "points.db").symlink_to(tmp_path / "elsewhere")
    (home.root / "runs").mkdir(exist_ok=True)
    os.mkfifo(home.root / "runs" / "fifo")
    assert special_files(home) == {home.copy / "log.db": "a character device"}


@pytest.mark.parametrize("opens", OPENS)
def test_sqlite_opens_neither_a_fifo_nor_a_path_that_would_end_the_process(
    tmp_path: Path, opens: Callable[[Path], object]
) -> None:
    os.mkfifo(tmp_path / "fifo.db")
    with pytest.raises(sqlite3.DatabaseError, match="is a FIFO") as refused:
        opens(tmp_path / "fifo.db")
    assert is_damage(refused.value)
    folder = tmp_path
    while len(os.fsencode(folder)) < PATH_BYTES_MAX:
        folder = folder / ("x" * 100)
    folder.mkdir(parents=True)
    with pytest.raises(OSError, match="name too long"):
        opens(folder / "a.db")


def test_a_home_whose_path_is_too_long_is_refused_with_its_length(tmp_path: Path) -> None:
    longest = HOME_BYTES_MAX - len(os.fsencode(tmp_path)) - 1
    assert faults(Home(tmp_path / "/".join(["x" * 99] * (longest // 100))), with_log=True) == []
    found = faults(Home(tmp_path / "/".join(["x" * 99] * 4)), with_log=True)
    assert [(fault.code, fault.fatal) for fault in found] == [("home.path_too_long", True)]
    assert f"at most {HOME_BYTES_MAX}" in found[0].said
