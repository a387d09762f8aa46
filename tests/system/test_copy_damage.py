"""A damaged second copy, and a home that is down: what is bad is named for what it is, and one command mends it."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.system.http_client import Gateway
from tests.system.test_backup import answer, treering
from tests.system.test_bit_flip import flip_a_bit
from tests.system.up import moved_copy, refused_up, up

from treering.adapters import doctor_log, doctor_store
from treering.adapters.nats_credentials import write_private
from treering.config import Home

pytestmark = pytest.mark.anyio
EXPERIMENTS = 12
WS = "/v1/workspaces/main"


async def filled(home: Home) -> None:
    async with up(home.root):
        for name in [f"e{number}" for number in range(EXPERIMENTS)]:
            made = await Gateway(home, []).command(name, f"{WS}/experiments/{name}/create", {}, name)
            assert made.status == 201
        await answer(home, "log", "checkpoint")


@pytest.fixture(scope="module")
async def original(anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """It has signed all it has, and does not run."""
    made = Home(tmp_path_factory.mktemp("original") / "home")
    await filled(made)
    return made


@pytest.fixture
def home(original: Home, tmp_path: Path) -> Home:
    """A copy to harm."""
    return moved_copy(original, tmp_path / "home")


def change_a_row(home: Home) -> None:
    with closing(sqlite3.connect(home.copy / "log.db")) as db, db:
        db.execute("UPDATE commits SET body = replace(body, 'actor', 'actoR') WHERE position = 5")


def cut_the_file(home: Home) -> None:
    path = home.copy / "log.db"
    path.write_bytes(path.read_bytes()[:3000])


def cut_its_end_off(home: Home) -> None:
    with closing(sqlite3.connect(home.copy / "log.db")) as db, db:
        db.execute("DELETE FROM commits WHERE position > 8")


@pytest.mark.parametrize("damage", [change_a_row, cut_the_file, cut_its_end_off])
async def test_a_damaged_copy_is_made_again_from_a_log_that_is_what_was_signed(
    home: Home, damage: Callable[[Home], None]
) -> None:
    before = await answer(home, "log", "verify")
    damage(home)
    code, said = await refused_up(home.root)
    assert code == 1 and "treering log recopy" in said
    done = await treering(home, "log", "verify", "-o", "json")
    assert done.returncode == 1 and "treering log recopy" in done.stderr
    if done.stdout:  # what SQLite can still read is compared row by row, and the log by itself
        found = json.loads(done.stdout)
        first = 5 if damage is change_a_row else 9
        assert (found["damaged"], found["first_bad"], found["positions"]) == ("log.db", first, before["positions"])
        assert f"The log itself has all of its {before['positions']} positions" in found["why"]
    made = await answer(home, "log", "recopy", "--yes")
    assert made["positions"] == before["positions"] and made["signed"] <= made["positions"]
    assert [Path(path).name for path in made["moved_to"]] == ["log.db.damaged-1"]  # the copy of the points is whole
    assert not list(home.copy.glob("*.new*"))
    async with up(home.root):
        assert (await answer(home, "log", "verify"))["ok"] is True


async def test_no_copy_is_made_of_a_log_that_is_not_what_was_signed(home: Home, tmp_path: Path) -> None:
    """Copy and log of another installation, whole in themselves, under the signature of this one."""
    other = Home(tmp_path / "other")
    await filled(other)
    shutil.rmtree(home.nats / "store")
    shutil.copytree(other.nats / "store", home.nats / "store")
    for path in home.copy.glob("log.db*"):
        path.unlink()
    done = await treering(home, "log", "recopy", "--yes")
    assert done.returncode == 1 and "nothing was replaced" in done.stderr
    assert not (home.copy / "log.db").exists()


async def test_a_log_that_is_shorter_than_its_copy_is_restored_and_not_copied(home: Home) -> None:
    shutil.rmtree(home.nats / "store")
    async with up(Home(home.root.parent / "fresh").root):
        pass
    shutil.copytree(home.root.parent / "fresh" / "nats" / "store", home.nats / "store")
    done = await treering(home, "log", "recopy", "--yes")
    assert done.returncode == 1 and "(log.shorter)" in done.stderr


def findings(done: Any) -> dict[str, tuple[str, str]]:
    return {one["check"]: (one["state"], one["found"]) for one in json.loads(done.stdout)}


async def test_the_doctor_compares_the_log_of_a_home_that_is_down_and_changes_nothing(home: Home) -> None:
    files = {path: path.read_bytes() for path in (home.nats / "store").rglob("*") if path.is_file()}
    done = await treering(home, "doctor", "-o", "json")
    state, found = findings(done)["log"]
    assert (done.returncode, state) == (0, "ok") and "all that was signed" in found
    assert {path: path.read_bytes() for path in (home.nats / "store").rglob("*") if path.is_file()} == files
    assert not list(home.root.glob(".doctor-*"))


def lose_the_store(home: Home) -> None:
    shutil.rmtree(home.nats / "store")


def lose_all_but_the_signature(home: Home) -> None:
    lose_the_store(home)
    for path in home.copy.glob("log.db*"):
        path.unlink()


DAMAGES = [flip_a_bit, change_a_row, cut_the_file, cut_its_end_off, lose_the_store, lose_all_but_the_signature]


async def test_what_the_log_has_behind_its_copy_is_hashed_too(home: Home) -> None:
    """The copy was of a time before the last commits, and so was what was signed."""
    before = await answer(home, "log", "verify")
    cut_its_end_off(home)
    (home.copy / "checkpoint").unlink()
    after = await answer(home, "log", "verify")
    assert (after["ok"], after["positions"], after["head"]) == (True, before["positions"], before["head"])


@pytest.mark.parametrize("damage", DAMAGES)
async def test_the_doctor_finds_damage_in_a_home_that_is_down(home: Home, damage: Callable[[Home], object]) -> None:
    damage(home)
    done = await treering(home, "doctor", "-o", "json")
    assert done.returncode == 1
    assert "wrong" in {state for state, _ in findings(done).values()}
    told = "put it back, or a backup" if damage is lose_all_but_the_signature else "log recopy"
    assert told in done.stdout or "log restore" in done.stdout


async def test_the_doctor_finds_a_home_that_was_set_back_behind_its_witness(home: Home, tmp_path: Path) -> None:
    await answer(home, "witness", "add", "file", str(tmp_path / "witness"))
    old = tmp_path / "old"
    shutil.copytree(home.root, old)
    async with up(home.root):
        await answer(home, "experiment", "create", "--name", "later")
        await answer(home, "log", "checkpoint")
    shutil.rmtree(home.root)
    shutil.move(old, home.root)
    done = await treering(home, "doctor", "-o", "json")
    state, found = findings(done)["log"]
    assert done.returncode == 1 and state == "wrong" and "witness" in found
    assert "log recopy" not in done.stdout  # the copy is well: to make it again mends nothing
    table = (await treering(home, "doctor", "-o", "table")).stdout
    assert found in table


async def test_the_doctor_warns_of_a_witness_that_has_lost_what_it_had(home: Home, tmp_path: Path) -> None:
    await answer(home, "witness", "add", "file", str(tmp_path / "witness"))
    async with up(home.root):
        await answer(home, "experiment", "create", "--name", "later")
        await answer(home, "log", "checkpoint")
    well = findings(await treering(home, "doctor", "-o", "json"))
    (tmp_path / "witness").unlink()
    state, found = findings(await treering(home, "doctor", "-o", "json"))["witnesses"]
    assert well["witnesses"][0] == "ok"
    assert state == "warning" and "has lost the checkpoint it had" in found


async def test_the_doctor_names_the_key_that_is_gone_and_the_file_that_is_no_list(home: Home) -> None:
    key = home.keys / "log.key"
    kept = key.read_bytes()
    key.unlink()
    done = await treering(home, "doctor", "-o", "json")
    (said,) = (one for one in json.loads(done.stdout) if one["check"] == "log")
    assert str(key) in said["found"] and "backup of the keys" in said["advice"]
    write_private(key, kept)
    (home.root / "witnesses.json").write_text("{}")
    done = await treering(home, "doctor", "-o", "json")
    (said,) = (one for one in json.loads(done.stdout) if one["check"] == "log")
    assert done.returncode == 1 and str(home.root / "witnesses.json") in said["found"]
    assert "witness add" in said["advice"]


async def test_a_stray_credential_is_named_and_the_log_can_still_be_verified(home: Home) -> None:
    folder = home.keys / "nats"
    write_private(folder / "publisher-eve.json", (folder / "registry.json").read_bytes())
    code, said = await refused_up(home.root)
    assert code == 1 and said.count("\n") == 0 and str(folder / "publisher-eve.json") in said, said
    assert (await answer(home, "log", "verify"))["ok"] is True
    done = await treering(home, "doctor", "-o", "json")
    assert done.returncode == 1
    assert any(one["state"] == "wrong" and "publisher-eve.json" in one["found"] for one in json.loads(done.stdout))


async def test_offline_commands_say_nothing_but_their_answer_on_standard_output(home: Home) -> None:
    flip_a_bit(home)
    for arguments in (("log", "verify"), ("log", "restore", "--yes"), ("log", "verify")):
        json.loads((await treering(home, *arguments, "-o", "json")).stdout)


async def test_where_log_and_copy_are_both_damaged_everybody_advises_a_backup(home: Home, tmp_path: Path) -> None:
    change_a_row(home)
    flip_a_bit(home)
    _, said = await refused_up(home.root)
    (found,) = [one for one in await asyncio.to_thread(list, doctor_log.log(home)) if one.state == "wrong"]
    recopied = await treering(home, "log", "recopy", "--yes")
    restored = await treering(home, "log", "restore", "--yes")
    for told in (said, found.advice, recopied.stderr):
        assert "restore BACKUP" in told and "`treering log restore`" not in told, told
    assert "log recopy" in restored.stderr  # which says the rest


async def test_a_copy_that_is_removed_while_treering_runs_ends_it_with_what_to_do(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    async with up(home.root) as process:
        shutil.rmtree(home.copy)
        assert any(one.state == "wrong" and "log recopy" in one.advice for one in doctor_store.copy(home))
        await treering(home, "experiment", "create", "--name", "e")
        assert process.stderr is not None
        said = (await process.stderr.read()).decode()
    assert "copy/log.db was removed or replaced while treering runs" in said and "treering log recopy" in said
    await answer(home, "log", "recopy", "--yes")
    async with up(home.root):
        assert (await answer(home, "log", "verify"))["ok"]
