"""One bit of the log's file is not what it was: nothing starts, nothing is written, and one command mends it."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.system.http_client import JOBS, Gateway
from tests.system.up import refused_up, up
from tests.system.views import until
from tests.system.work import COMMANDS, Work

from treering.adapters.log_copy import FILE_NAME
from treering.adapters.log_restore import restore
from treering.config import Home

pytestmark = pytest.mark.anyio

JOB_COUNT = 4
WAIT_SECONDS = 20.0


async def test_a_flipped_bit_is_named_and_mended_and_jobs_go_on(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    marks = tmp_path / "marks"
    # Given an installation that has run some jobs, and one bit in the middle of its log flipped,
    async with up(home.root):
        for number in range(JOB_COUNT):
            await run_job(home, f"before-{number}", marks)
    head = copied_head(home)
    block = flip_a_bit(home)
    before = digest(block)
    # when it is started, it does not start, names the first bad position, and has written nothing;
    code, said = await refused_up(home.root)
    assert code == 1
    assert len(said.splitlines()) == 1
    named = re.search(r"position (\d+)", said)
    assert named is not None and 1 <= int(named.group(1)) <= head
    assert digest(block) == before
    # when it is restored from its second copy, all is there again,
    report = await restore(home)
    assert report.positions == head + report.salvaged
    # and it starts, with every old job as it was, and runs new ones.
    async with up(home.root):
        for number in range(JOB_COUNT):
            assert status(home, f"before-{number}") == "Completed"
        await run_job(home, "after", marks)
        assert await until(lambda: copied_head(home) > head, WAIT_SECONDS)


def flip_a_bit(home: Home) -> Path:
    """In the body of a message in the middle of the newest block of the event stream."""
    block = max((home.root / "nats" / "store").rglob("EVT/msgs/*.blk"), key=lambda path: path.stat().st_size)
    data = bytearray(block.read_bytes())
    data[len(data) // 2] ^= 0x04
    block.write_bytes(data)
    return block


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


async def run_job(home: Home, name: str, marks: Path) -> None:
    spec = Work(name, "quick", COMMANDS["quick"].replace("{seconds}", "0")).spec(marks)
    await Gateway(home, []).submit(name, spec)
    assert await until(lambda: status(home, name) == "Completed", WAIT_SECONDS)


def status(home: Home, name: str) -> str:
    return str(Gateway(home, []).get_once(f"{JOBS}/{name}").get("status", ""))


def copied_head(home: Home) -> int:
    with closing(sqlite3.connect(home.copy / FILE_NAME)) as db:
        return int(db.execute("SELECT max(position) FROM commits").fetchone()[0] or 0)
