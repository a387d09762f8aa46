"""A system user for each command as the sandbox: its contract, where the tests run as root."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from treering.adapters.launcher import Launcher
from treering.adapters.sandbox.own_user import FIRST_UID, OwnUser
from treering.testing.sandbox_contract import SandboxContract, launched, said

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a command another user"),
]


@pytest.fixture
def place() -> Iterator[Path]:
    """Not below pytest's folder, which only its owner may enter."""
    folder = Path(tempfile.mkdtemp(prefix="treering-user-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
async def launcher(place: Path) -> AsyncIterator[Launcher]:
    (place / "home").mkdir(mode=0o700)
    launcher = Launcher("node", home=place / "home", sandbox=OwnUser(place / "home"))
    await launcher.start()
    yield launcher
    await launcher.close()


class TestOwnUser(SandboxContract):
    async def test_two_commands_are_two_users_that_cannot_signal_one_another(
        self, launcher: Launcher, place: Path
    ) -> None:
        first = await launched(launcher, place, "id -u; sleep 600", group="first")
        assert await anext(first.output()) == f"{FIRST_UID}\n".encode()
        second = await launched(launcher, place, f"id -u; kill {first.pid} || echo refused", group="second")
        shown = await said(second)
        assert str(FIRST_UID + 1) in shown and "refused" in shown
        await first.kill()
