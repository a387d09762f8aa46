"""One bit of any file of a home is flipped: doctor names it, or it is shown to make no difference."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from tests.system.test_full_disk import Client
from tests.system.up import up

from treering.adapters import doctor_log, doctor_machine, doctor_replay, doctor_store
from treering.adapters.findings import Check
from treering.adapters.home_files import Row, name_of, row_of
from treering.adapters.nats_accounts import write_accounts
from treering.adapters.nats_users import publisher_user
from treering.adapters.subscribers import Subscribers
from treering.adapters.witnesses import add_witness
from treering.config import Home

pytestmark = pytest.mark.anyio
SEED = 20261130
FLIPS, FLIPS_SOAK = 8, 75
CHECKS: tuple[Check, ...] = (
    doctor_store.installation, doctor_machine.keys, doctor_store.copy, doctor_store.blobs, doctor_store.names,
    doctor_store.views, doctor_log.witnesses, doctor_log.log, doctor_replay.replay,
    doctor_store.deliveries,
)  # fmt: skip
NO_MEANING = ("scratch", "remade")


async def made_home(folder: Path) -> Home:
    """An installation that has run and has stopped, with a file of every class that needs no job."""
    home = Home(folder / "home")
    home.create()
    write_accounts(home.root, publisher_user("p"))
    Subscribers(home.keys).add("s", "main")
    async with up(home.root):
        client = Client(home.root)
        add_witness(home, "file", str(folder / "witness"), "w", required=False)
        for number in range(20):
            await client.until_created(f"e{number}")
        hook = {"name": "hook", "url": "https://example.com/", "kind": "job"}
        assert (await client.ask("POST", "/v1/workspaces/main/webhooks", hook)).status == 201
        content = os.urandom(5000)
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        assert (await client.ask("PUT", f"/v1/blobs/{digest}", content)).status in (200, 201, 204)
    return home


def files_of(home: Home) -> dict[Path, Row]:
    """Every file that has a byte, with its row."""
    found = {}
    for path in sorted(home.root.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.stat().st_size:
            row = row_of(name_of(home, path))
            assert row is not None, f"{path} is in no row of home_files.py"
            found[path] = row
    return found


def flip(path: Path, random: Random) -> None:
    data = bytearray(path.read_bytes())
    data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    path.write_bytes(data)


def chosen(files: dict[Path, Row], random: Random) -> Path:
    """A class first, so that the many blocks and pages do not hide the few keys."""
    care = random.choice(sorted({row.care for row in files.values()}))
    return random.choice([path for path, row in files.items() if row.care == care])


def named(home: Home) -> list[str]:
    """What doctor finds wrong."""
    found = []
    for check in CHECKS:
        try:
            found += [f"{one.check}: {one.found} -> {one.advice}" for one in check(home) if one.state == "wrong"]
        except Exception as error:  # as `treering doctor` does
            found.append(f"{check.__name__} could not be checked: {error}")
    return found


def meaning(path: Path) -> object:
    """What a database says, whatever the bytes in between; of any other file its bytes."""
    if path.suffix != ".db" or path.name == "search.db" or "nats" in path.parts:  # an index of words cannot be listed
        return path.read_bytes()
    with closing(sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)) as db:
        return list(db.iterdump())


def makes_no_difference(path: Path, row: Row, before: object) -> bool:
    """``doctor_log`` has started a server on the store and compared all that it holds: it is what was stored."""
    if row.care in NO_MEANING or "nats" in path.parts:
        return True
    try:
        return meaning(path) == before
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        return False


def judge(home: Home, flips: int) -> list[str]:
    random, files = Random(SEED), files_of(home)
    missed = []
    for _ in range(flips):
        path = chosen(files, random)
        whole, before = path.read_bytes(), meaning(path)
        flip(path, random)
        said = "\n".join(named(home))
        if not said and not makes_no_difference(path, files[path], before):
            missed.append(name_of(home, path))
        if said and str(path) not in said:
            missed.append(f"{name_of(home, path)} is not named: {said}")
        path.write_bytes(whole)
    return missed


async def test_a_flipped_bit_anywhere_is_named_by_doctor_or_makes_no_difference(tmp_path: Path) -> None:
    home = await made_home(tmp_path)
    assert await asyncio.to_thread(named, home) == []
    assert await asyncio.to_thread(judge, home, FLIPS) == []


@pytest.mark.soak
async def test_75_flipped_bits_are_named_by_doctor_or_make_no_difference(tmp_path: Path) -> None:
    home = await made_home(tmp_path)
    assert await asyncio.to_thread(judge, home, FLIPS_SOAK) == []


async def test_files_without_a_meaning_may_hold_anything(tmp_path: Path) -> None:
    home = await made_home(tmp_path)
    random = Random(SEED)
    for path, row in files_of(home).items():
        if row.care in NO_MEANING and path.name != "home.json" and "sums" not in path.parts:  # these are named
            flip(path, random)
    async with up(home.root):
        assert {f"e{number}" for number in range(20)} <= await Client(home.root).names()
