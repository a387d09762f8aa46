"""The doctor names what is wrong, what to do, and nothing else; with the installation up and down."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Done, Treering, call
from tests.system.up import up

from treering.adapters import doctor_machine, doctor_store
from treering.adapters.findings import Finding
from treering.adapters.free_space import Room
from treering.adapters.log_check import write_alarm
from treering.adapters.log_copy import FILE_NAME, LogCopy
from treering.adapters.sandbox import root_swap
from treering.adapters.sandbox.bubblewrap import Bubblewrap
from treering.adapters.sandbox.choose import choose_sandbox
from treering.config import Home
from treering.kernel.clock import now
from treering.kernel.log import Commit, Entry, encoder

GIB = 1024**3


def said(done: Done) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def wrong(done: Done) -> list[tuple[str, str]]:
    return [(row["check"], row["found"]) for row in said(done) if row["state"] == "wrong"]


def test_a_running_installation_is_well_in_every_point(online: Treering) -> None:
    done = online("doctor", "-o", "json")
    rows = said(done)
    assert done.returncode == 0 and wrong(done) == [], done.stdout
    assert {row["check"] for row in rows} >= {
        "home", "disk", "clock", "keys", "nats", "streams", "copy", "views", "tools", "containment", "sandbox",
        "gateway", "ready",
    }  # fmt: skip
    assert any("syncs every event" in row["found"] for row in rows)
    assert sum(row["check"] == "streams" for row in rows) == 3
    assert all(row["advice"] for row in rows if row["state"] != "ok")


def test_of_each_online_node_it_says_whether_jobs_reach_the_ports_of_the_platform(online: Treering) -> None:
    (node,) = json.loads(online("node", "list", "-o", "json").stdout)
    reported = node["ports"]
    (found,) = [row["found"] for row in said(online("doctor", "-o", "json")) if row["found"].startswith("node ")]
    assert found.startswith(f"node main/{node['name']}: {node['sandbox']}; the ports of NATS are ")
    assert ("closed to jobs" in found) == (reported == "closed")
    assert reported == "closed" or reported.removeprefix("open: ") in found


def test_of_a_home_that_is_down_it_tries_whether_the_ports_could_be_closed_here(offline: Treering) -> None:
    def heres(done: Done) -> list[str]:
        return [row["found"] for row in said(done) if row["found"].startswith("here the ports of NATS are ")]

    assert len(heres(offline("doctor", "-o", "json"))) == 1
    (without,) = heres(offline("doctor", "-o", "json", TREERING_CONTAINMENT="session"))
    assert "open to jobs" in without and "no cgroup may be made here" in without


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, ()),
        ({"TREERING_CLOUD_METADATA": "open"}, ("jobs can ask", "TREERING_CLOUD_METADATA")),
        ({"TREERING_CONTAINMENT": "session"}, ("jobs can ask", "no cgroup may be made here")),
        ({"TREERING_CLOUD_METADATA": "yes"}, ("TREERING_CLOUD_METADATA is 'yes'",)),
    ],
)
def test_it_says_whether_jobs_reach_the_metadata_service_of_a_cloud(
    offline: Treering, variables: dict[str, str], words: tuple[str, ...]
) -> None:
    rows = [row["found"] for row in said(offline("doctor", "-o", "json", **variables))]
    (found,) = [text for text in rows if "metadata" in text.lower()]
    assert [word for word in words if word not in found] == []


def test_jobs_that_stay_root_outside_are_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not isinstance(choose_sandbox("auto", tmp_path), Bubblewrap) or os.geteuid() != 0:
        pytest.skip("needs root and namespaces")
    monkeypatch.setattr(root_swap, "mapped_uid", lambda: 0)
    (found,) = doctor_machine.sandbox(Home(tmp_path))
    assert found.state == "warning" and "root outside" in found.found and "swap users" in found.advice


def test_where_nothing_ever_ran_it_says_so_and_that_is_no_fault(offline: Treering) -> None:
    done = offline("doctor", "-o", "json")
    assert done.returncode == 0
    assert [row["check"] for row in said(done) if row["state"] == "warning"][:1] == ["home"]


@pytest.mark.anyio
async def test_of_an_installation_that_is_down_every_fault_is_named_with_what_to_do(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    async with up(home.root):
        pass
    healthy = call(home.root, "doctor", "-o", "json")
    assert healthy.returncode == 0 and any("does not run" in row["found"] for row in said(healthy))
    # Given an open key, a damaged view, an alarm, and a configuration somebody edited,
    (home.keys / "join-token").chmod(0o644)
    view = home.views("up") / "states.db"
    view.write_bytes(b"no database" * 1000)
    write_alarm(home.copy, "position 2 of the log is not the commit that was stored")
    config = home.nats / "nats.conf"
    config.write_text(config.read_text().replace("sync_interval: always", "sync_interval: 2m"))
    done = call(home.root, "doctor", "-o", "json")
    faults = dict(wrong(done))
    assert done.returncode == 1 and set(faults) == {"keys", "views", "replay", "log", "nats"}
    assert "is open to others (mode 644)" in faults["keys"]
    assert "up/states" in faults["views"] and "position 2" in faults["log"] and "sync_interval" in faults["nats"]
    assert all(row["advice"] for row in said(done) if row["state"] == "wrong")


def states(found: list[Finding]) -> list[str]:
    return [one.state for one in found]


@pytest.mark.parametrize(
    ("free_bytes", "inodes", "state"),
    [(100 * GIB, 50.0, "ok"), (1 * GIB, 50.0, "warning"), (GIB // 4, 50.0, "wrong"), (100 * GIB, 1.0, "warning")],
)
def test_room_is_judged_by_the_marks_at_which_writing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_bytes: int, inodes: float, state: str
) -> None:
    monkeypatch.setattr(doctor_machine, "room_in", lambda folder: Room(free_bytes, 200 * GIB, inodes))
    assert states(list(doctor_machine.disk(Home(tmp_path)))) == [state, state]


@pytest.mark.parametrize(("most", "state"), [(1024, "warning"), (8192, "ok"), (1 << 20, "ok")])
def test_too_few_descriptors_for_many_clients_are_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, state: str
) -> None:
    monkeypatch.setattr(doctor_machine, "hard_limit", lambda: most)
    assert states(list(doctor_machine.descriptors(Home(tmp_path)))) == [state]


@pytest.mark.anyio
async def test_a_clock_behind_the_last_event_is_wrong_and_one_after_it_is_not(tmp_path: Path) -> None:
    home = Home(tmp_path)
    copy = LogCopy(home.copy / FILE_NAME)
    await copy.open()
    try:
        for position, (hours, state) in enumerate([(-1, "ok"), (1, "wrong")], start=1):
            commit = Commit(f"i{position}", f"c{position}", 1, now() + timedelta(hours=hours), "u_1")
            await copy.apply([Entry(position, f"evt.main.experiment.e{position}", encoder.encode(commit))])
            assert states(list(doctor_machine.clock(home))) == [state]
    finally:
        await copy.close()


@pytest.mark.anyio
async def test_a_second_copy_whose_pages_are_damaged_is_named(tmp_path: Path) -> None:
    home = Home(tmp_path)
    copy = LogCopy(home.copy / FILE_NAME)
    await copy.open()
    await copy.close()
    with closing(sqlite3.connect(home.copy / FILE_NAME)) as db, db:
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_schema SET rootpage = 900 WHERE name = 'commits'")
    found = list(doctor_store.copy(home))
    assert states(found) == ["wrong"] and str(home.copy / FILE_NAME) in found[0].found + found[0].advice
