"""``treering up`` as a process: for what concerns one command rather than one service."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from treering.adapters.home_place import check_place
from treering.config import Home

READY_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 20.0
TOLD_MAX = 4000
KEPT_BYTES_MAX = 64 * 1024 * 1024  # of what it logs: a pipe that fills up would stop it


@asynccontextmanager
async def up(home: Path, *more: str, soft_descriptors: int = 0) -> AsyncIterator[asyncio.subprocess.Process]:
    """Ready inside the block; AssertionError with what it said when it does not become so."""
    process = await launched(home, *more, soft_descriptors=soft_descriptors)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(READY_SECONDS_MAX):
            line = await process.stdout.readline()
            while more and line and b" is ready" not in line:
                line = await process.stdout.readline()
        if b" is ready" not in line:
            said = (await process.communicate())[1].decode() if not line else line.decode()
            raise AssertionError(f"not ready (exit {process.returncode}): {said[-TOLD_MAX:]}")
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(STOP_SECONDS_MAX):
            await process.communicate()


def moved_copy(home: Home, root: Path) -> Home:
    """A home as if ``home``, which does not run, had been moved to ``root``: quicker than to fill another one."""
    shutil.copytree(home.root, root)
    moved = Home(root)
    check_place(moved, moved=True)
    return moved


async def refused_up(home: Path) -> tuple[int, str]:
    """Start it where it should not start: its exit code, and all it said on standard error but its log."""
    process = await launched(home)
    async with asyncio.timeout(READY_SECONDS_MAX):
        _, errors = await process.communicate()
    lines = [line for line in errors.decode().splitlines() if not line.startswith(("{", "20"))]
    return process.returncode or 0, "\n".join(lines)


async def launched(home: Path, *more: str, soft_descriptors: int = 0) -> asyncio.subprocess.Process:
    """``soft_descriptors``: its soft limit of open files as a shell would have set it; 0 leaves ours."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    lower = (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft_descriptors, hard))) if soft_descriptors else None
    options = ["--home", str(home), "--port", "0", "--slots", "1", *more]
    command = [sys.executable, "-m", "treering_services", "up", *options]
    return await asyncio.create_subprocess_exec(
        *command, env=dict(os.environ), stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, preexec_fn=lower,
        limit=KEPT_BYTES_MAX,
    )  # fmt: skip
