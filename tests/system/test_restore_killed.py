"""A restore that was killed leaves half a home, which nobody takes for a new one."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from tests.system.test_backup import answer, treering
from tests.system.up import refused_up, up
from tests.system.views import until

from treering.adapters.restoring import MARK, restoring
from treering.config import Home
from treering.kernel.refusal import Refused

pytestmark = pytest.mark.anyio

WAIT_SECONDS = 60.0


async def killed_restore(home: Home, backup: Path) -> None:
    """Killed as soon as it has begun, which is a nats-server's start before its end."""
    command = [sys.executable, "-m", "treering.cli.main", "--home", str(home.root), "restore", str(backup), "--no-keys"]
    process = await asyncio.create_subprocess_exec(*command)
    assert await until(lambda: (home.root / MARK).exists(), WAIT_SECONDS)
    process.kill()
    await process.wait()


async def test_half_a_home_does_not_start_and_is_restored_by_the_same_command(tmp_path: Path) -> None:
    home, new, backup = Home(tmp_path / "home"), Home(tmp_path / "new"), tmp_path / "backup"
    async with up(home.root):
        await answer(home, "experiment", "create", "--name", "churn")
    made = await answer(home, "backup", str(backup))
    await killed_restore(new, backup)
    code, said = await refused_up(new.root)
    assert code == 1 and f"{new.root} is half of a home" in said and "treering restore" in said
    doctor = await treering(new, "doctor", "-o", "json")
    assert doctor.returncode == 1 and f"{new.root} is half of a home" in doctor.stdout
    restored = await answer(new, "restore", str(backup), "--no-keys")
    assert restored["log"] == made["log"]
    async with up(new.root):
        assert (await answer(new, "experiment", "show", "-n", "churn"))["name"] == "churn"


def test_a_restore_takes_neither_a_used_home_nor_one_that_another_works_on(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with (
        restoring(home),
        pytest.raises(Refused, match="another `treering restore` works on"),
        restoring(home),
    ):
        pass
    assert not (home.root / MARK).exists()
    home.token_file.write_text("secret")
    with pytest.raises(Refused, match="is not empty"), restoring(home):
        pass
    assert home.token_file.read_text() == "secret" and not (home.root / MARK).exists()


def test_what_a_restore_that_was_broken_off_left_is_gone_when_it_begins_anew(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with pytest.raises(KeyboardInterrupt), restoring(home):
        home.create()
        raise KeyboardInterrupt
    with restoring(home):
        assert [path.name for path in home.root.iterdir()] == [MARK]
