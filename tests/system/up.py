"""``treering up`` as a process: for what concerns one command rather than one service."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

READY_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 20.0


@asynccontextmanager
async def up(home: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Ready inside the block; AssertionError with what it said when it does not become so."""
    process = await launched(home)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(READY_SECONDS_MAX):
            line = await process.stdout.readline()
        assert b" is ready" in line, line
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(STOP_SECONDS_MAX):
            await process.communicate()


async def refused_up(home: Path) -> tuple[int, str]:
    """Start it where it should not start: its exit code, and all it said on standard error but its log."""
    process = await launched(home)
    async with asyncio.timeout(READY_SECONDS_MAX):
        _, errors = await process.communicate()
    lines = [line for line in errors.decode().splitlines() if not line.startswith(("{", "20"))]
    return process.returncode or 0, "\n".join(lines)


async def launched(home: Path) -> asyncio.subprocess.Process:
    command = [sys.executable, "-m", "treering_services", "up", "--home", str(home), "--port", "0", "--slots", "1"]
    return await asyncio.create_subprocess_exec(
        *command, env=dict(os.environ), stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
