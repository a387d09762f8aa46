"""A start and the doctor look at a home with one list of checks: whatever is damaged, both say the same of it."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from itertools import combinations
from pathlib import Path

import pytest
from tests.system.harms import of_other_form, removed
from tests.system.test_any_flip import made_home
from tests.system.up import up

from treering.adapters.doctor import CHECKS, checked
from treering.adapters.home_faults import faults
from treering.adapters.home_files import FILES
from treering.adapters.home_forms import folders
from treering.adapters.home_place import PLACE_FILE
from treering.adapters.sqlite_open import open_alone
from treering.adapters.sqlite_places import databases
from treering.adapters.sums import sum_file
from treering.config import Home
from treering.kernel.refusal import Refused
from treering_services.hosting import check_home

pytestmark = pytest.mark.anyio
STREAM = "nats/store/jetstream/TREERING/streams/EVT"


@contextmanager
def kept(home: Home) -> Iterator[None]:
    """All files of the home are as they were, after the block; the folder itself stays, since a home knows it."""
    aside = home.root.with_name("kept")
    shutil.copytree(home.root, aside, symlinks=True)
    try:
        yield
    finally:
        for path in home.root.iterdir():
            removed(path)
        for path in aside.iterdir():
            path.rename(home.root / path.name)
        aside.rmdir()


def swap(first: Path, second: Path) -> None:
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)


def swap_with_notes(first: Path, second: Path) -> None:
    notes = [note for note in (sum_file(first), sum_file(second)) if note]
    swap(first, second)
    swap(*notes)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def damages(home: Home) -> dict[str, Callable[[], object]]:
    """By the path that has to be named."""
    there = (*folders(), "up.lock", "url", "token", PLACE_FILE, "nats/nats.conf", "nats/lock", "copy/checkpoint")
    found: dict[str, Callable[[], object]] = {
        name: partial(of_other_form, home.root / name) for name in there if (home.root / name).exists()
    }
    for name in ("copy/log.db", "notifier/deliveries.db"):
        found[f"{name} "] = partial((home.root / name).write_bytes, b"no database" * 1000)
    for name in (PLACE_FILE, "copy/checkpoint", "copy/points.db", "copy/log.db", "notifier/deliveries.db"):
        found[f"{name}  "] = (home.root / name).unlink
    found[f"{STREAM}/meta.inf"] = lambda: flip(home.root / STREAM / "meta.inf")
    found["keys/nats/monitor.json"] = lambda: swap_with_notes(
        home.keys / "nats" / "monitor.json", home.keys / "nats" / "registry.json"
    )
    found["token  "] = lambda: swap_with_notes(home.token_file, home.keys / "join-token")
    found["keys/webhook-seal.key"] = lambda: flip(home.keys / "webhook-seal.key")
    return found


def said_by_up(home: Home, capsys: pytest.CaptureFixture[str]) -> tuple[bool, str]:
    """Whether a start goes on, and all it says."""
    capsys.readouterr()
    try:
        check_home(argparse.Namespace(name="up", moved=False), home)
    except Refused as refused:
        return False, refused.detail + capsys.readouterr().err
    return True, capsys.readouterr().err


def said_by_doctor(home: Home) -> dict[str, str]:
    """What it found and advises, by state, of the checks that a start has too."""
    found = [one for name in ("home", "keys") for one in checked(name, CHECKS[name], home)]
    return {
        state: "\n".join(f"{one.found} {one.advice}" for one in found if one.state == state)
        for state in ("wrong", "warning")
    }


async def test_a_start_and_the_doctor_judge_every_damage_alike_and_name_its_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = await made_home(tmp_path)
    assert said_by_up(home, capsys) == (True, "") and not any(said_by_doctor(home).values())
    for name, damage in damages(home).items():
        with kept(home):
            damage()
            doctor, (starts, said) = said_by_doctor(home), said_by_up(home, capsys)
            path = str(home.root / name.strip())
            assert path in said and ": " in said, (name, said)
            assert path in doctor["wrong"] + doctor["warning"], (name, doctor)
            assert starts or path in doctor["wrong"], (name, doctor)
    any_two_databases_that_changed_places_are_both_named(home)


def any_two_databases_that_changed_places_are_both_named(home: Home) -> None:
    paths = [path for path in databases(home) if path.is_file()]
    assert len(paths) >= 8
    for first, second in combinations(paths, 2):
        swap(first, second)
        named = {fault.path for fault in faults(home, with_log=True)}
        assert named >= {first, second}, (first, second)
        swap(first, second)
    assert faults(home, with_log=True) == []


async def test_a_home_of_an_earlier_release_starts_and_is_marked_then(
    tmp_path: Path,
) -> None:
    home = await made_home(tmp_path)
    for path in databases(home):
        with closing(open_alone(path)) as db:
            db.execute("PRAGMA application_id = 0")
    for name in (f"sums/{PLACE_FILE}", "sums/copy/checkpoint", PLACE_FILE):
        (home.root / name).unlink()
    swap(home.copy / "log.db", home.views("up") / "states.db")  # also unmarked ones are told apart
    assert len(faults(home, with_log=True)) == 2
    swap(home.copy / "log.db", home.views("up") / "states.db")
    assert faults(home, with_log=True) == []
    swap(home.views("monitor") / "audit.db", home.views("monitor") / "lifecycle.db")
    flip(home.root / STREAM / "meta.inf")
    async with up(home.root):
        pass
    assert faults(home, with_log=True) == []
    marks = [open_alone(path).execute("PRAGMA application_id").fetchone()[0] for path in databases(home)]
    assert all(marks) and (home.root / f"sums/{PLACE_FILE}").exists() and (home.root / "sums/copy/checkpoint").exists()


def test_every_folder_that_the_list_of_files_names_is_looked_at() -> None:
    first = {row.pattern.split("/")[0] for row in FILES if "/" in row.pattern and not row.pattern.startswith("*")}
    assert first <= {name.split("/")[0] for name in folders()}
