"""What can be done to an installation: kill, stop for a while, fill its disk, or clients that behave badly.

Inputs that drip are not drawn here: a job of the kind "drips" is in every schedule (``schedule.READY_KINDS``).
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from dataclasses import dataclass

from tests.system.installation import Installation
from tests.system.rude import crowd, poison_entry, poison_request

SERVER = "nats-server"
SPAWNERS = {"n1 spawner": "n1", "n2 spawner": "n2"}
MOMENT_SECONDS_MAX = 1.0


@dataclass(frozen=True)
class Fault:
    """``after``: log positions from the schedule's beginning on. ``seconds``: how long a pause, a full disk or a crowd
    lasts. ``share``: how much of its request a vanishing client sends. ``name``: of the poisoned run, and the key of a
    poison request; the target of a poison is one of ``rude``."""

    kind: str  # "kill", "pause", "fill", "vanish", "crowd", "poison request" or "poison entry"
    target: str
    after: int
    seconds: float = 0.0
    share: float = 0.0
    name: str = ""

    def __str__(self) -> str:
        more = f" for {self.seconds:.2f} s" if self.seconds else ""
        return f"{self.kind} {self.target}{more} after {self.after} positions"


async def inject(installation: Installation, fault: Fault, begin: int) -> list[str]:
    """Wait for the fault's moment (not for ever: an earlier fault may have stopped the log), then do it.

    Returns what was wrong with the answer to it.
    """
    history = installation.history
    await history.until(lambda: history.head >= begin + fault.after, MOMENT_SECONDS_MAX)
    match fault.kind:
        case "kill":
            send(installation, fault.target, signal.SIGKILL)
        case "pause":
            await pause(installation, fault.target, fault.seconds)
        case "fill":
            await fill(installation, fault.seconds)
        case "crowd":
            await crowd(installation, fault.target, fault.seconds)
        case "poison request":
            return await poison_request(installation, fault.target, fault.name)
        case "poison entry":
            await poison_entry(installation, fault.target, fault.name)
        case _:
            raise ValueError(f"unknown fault {fault.kind!r}")
    return []


async def fill(installation: Installation, seconds: float) -> None:
    """Take all room of the home's disk for ``seconds``: the length of the fault, not a wait for something."""
    disk = installation.disk
    if disk is None:
        raise ValueError("the home of this installation is on no disk that a test may fill")
    try:
        await asyncio.to_thread(disk.fill)
        await asyncio.sleep(seconds)
    finally:
        disk.free()


async def pause(installation: Installation, target: str, seconds: float) -> None:
    """Stop a process for ``seconds``: the length of the fault, not a wait for something."""
    pid = pid_of(installation, target)
    if not pid:
        return
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        os.kill(pid, signal.SIGCONT)


def send(installation: Installation, target: str, number: int) -> None:
    if pid := pid_of(installation, target):
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def pid_of(installation: Installation, target: str) -> int:
    if target == SERVER:
        return installation.nats_server_pid()
    if target in SPAWNERS:
        return installation.spawner_pid(SPAWNERS[target])
    return installation.services[target].pid
