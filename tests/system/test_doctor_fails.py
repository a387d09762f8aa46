"""What the doctor could not look at it calls not checked, and gives no advice that would cost something."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest
from tests.system.small_disk import small_disk
from tests.system.test_any_flip import made_home

from treering.config import Home

pytestmark = pytest.mark.anyio
MACHINE = ("disk", "descriptors", "tools", "containment", "sandbox", "job ports")  # what they find is of the machine
COSTLY = ("delete", "recopy", "log restore", "put back", "put it back", "from a backup")


async def not_well(home: Home, how: str) -> list[list[str]]:
    """[check, state, found, advice] of what is not ok, when files fail in this way under every check."""
    command = [sys.executable, "-m", "tests.system.failing_doctor", str(home.root), how]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    return [row for row in json.loads(said) if row[1] != "ok" and row[0] not in MACHINE]


def judge(found: list[list[str]], how: str) -> None:
    assert [row for row in found if row[1] == "wrong"] == [], how
    assert [row for row in found if any(word in row[3] for word in COSTLY)] == [], how


async def test_files_that_cannot_be_opened_written_or_locked_are_not_called_damaged(tmp_path: Path) -> None:
    home = await made_home(tmp_path)
    for how in ("no_writes", "no_descriptors", "locked"):
        found = await not_well(home, how)
        judge(found, how)
        assert any("not checked, because" in row[2] for row in found), how


async def test_on_a_full_disk_sound_files_are_checked_or_said_not_to_be(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        home = await made_home(disk.folder)
        disk.fill()
        found = await not_well(home, "none")
        judge(found, "full")
        assert [row for row in found if row[0] in ("copy", "views", "deliveries")] == []
