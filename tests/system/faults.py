"""What can be done to an installation: kill, stop for a while, or a client that behaves badly."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from dataclasses import dataclass

from tests.system.installation import Installation

SERVER = "nats-server"
SPAWNERS = {"n1 spawner": "n1", "n2 spawner": "n2"}
MOMENT_SECONDS_MAX = 1.0


@dataclass(frozen=True)
class Fault:
    """``after``: log positions from the schedule's beginning on. ``seconds``: how long a pause lasts.
    ``share``: how much of its request a vanishing client sends."""

    kind: str  # "kill", "pause" or "vanish"
    target: str
    after: int
    seconds: float = 0.0
    share: float = 0.0

    def __str__(self) -> str:
        more = f" for {self.seconds:.2f} s" if self.kind == "pause" else ""
        return f"{self.kind} {self.target}{more} after {self.after} positions"


async def inject(installation: Installation, fault: Fault, begin: int) -> None:
    """Wait for the fault's moment (not for ever: an earlier fault may have stopped the log), then do it."""
    history = installation.history
    await history.until(lambda: history.head >= begin + fault.after, MOMENT_SECONDS_MAX)
    match fault.kind:
        case "kill":
            send(installation, fault.target, signal.SIGKILL)
        case "pause":
            await pause(installation, fault.target, fault.seconds)
        case _:
            raise ValueError(f"no fault {fault.kind!r}")


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
