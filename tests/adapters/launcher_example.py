"""What the launcher's tests share: a witness who sees every process of a job, and scripts for jobs."""

from __future__ import annotations

import asyncio
import os
import select
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from treering.adapters.launcher import Launch, Launcher, LauncherFailed, Running

MODES = ("cgroup2", "cgroup1", "session")
PATH = os.environ["PATH"]
GONE_SECONDS_MAX = 20.0

# Each says its line when it is there, and then stays for as long as it may.
STAY = "trap '' TERM HUP; echo up >&9; exec tail -f /dev/null"
DAEMONS = f"""
exec 9>witness
setsid sh -c "{STAY}" &
(setsid sh -c "({STAY}) &" &)
(cd /; (setsid nohup sh -c "{STAY}" > /dev/null 2>&1 &) &)
{STAY}
"""


class Witness:
    """A named pipe that a job holds open for writing, and all its children with it: when the last of them has ended,
    and not before, it reads as ended. Nobody has to wait and look again.
    """

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._seen = b""

    def lines(self, count: int) -> list[str]:
        """The first ``count`` lines that the job's processes have written."""
        while self._seen.count(b"\n") < count:
            assert self._read(GONE_SECONDS_MAX), f"only {self._seen!r} came"
        return self._seen.decode().splitlines()[:count]

    def sees_nobody(self) -> bool:
        """Nobody holds the pipe, now."""
        return self._ends(0.0)

    def sees_the_last_one_go(self) -> bool:
        return self._ends(GONE_SECONDS_MAX)

    def close(self) -> None:
        os.close(self._descriptor)

    def _ends(self, timeout_seconds: float) -> bool:
        try:
            while self._read(timeout_seconds):
                continue
        except (TimeoutError, BlockingIOError):
            return False
        return True

    def _read(self, timeout_seconds: float) -> bytes:
        """More of what was written; empty when nobody is left to write. Raises when there is nothing in time."""
        if timeout_seconds:
            poll = select.poll()
            poll.register(self._descriptor, select.POLLIN)
            if not poll.poll(timeout_seconds * 1000):
                raise TimeoutError
        data = os.read(self._descriptor, 65536)
        self._seen += data
        return data


@asynccontextmanager
async def launcher_in(mode: str, home: Path) -> AsyncIterator[Launcher]:
    launcher = Launcher("node", containment=mode, home=home)
    try:
        await launcher.start()
    except LauncherFailed as failed:
        pytest.skip(f"{mode} cannot be used on this machine: {failed}")
    try:
        yield launcher
    finally:
        await launcher.close()


def shell(script: str, cwd: Path, group: str = "job", **env: str) -> Launch:
    return Launch(group, ["/bin/sh", "-c", script], cwd, {"PATH": PATH, **env})


def python(script: str, cwd: Path, group: str = "job", **env: str) -> Launch:
    return Launch(group, [sys.executable, "-I", "-S", "-c", script], cwd, {"PATH": PATH, **env})


async def read_all(running: Running) -> bytes:
    async with asyncio.timeout(GONE_SECONDS_MAX):
        return b"".join([chunk async for chunk in running.output()])
