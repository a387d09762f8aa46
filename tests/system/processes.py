"""One service as a real process that is started again when it dies, as a supervisor would."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

READY_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 20.0


@dataclass
class ServiceProcess:
    """``ready`` is set while the current life of the process is ready; ``lives`` counts its starts."""

    name: str
    argv: list[str]
    environment: dict[str, str]
    log: Path
    process: asyncio.subprocess.Process | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    lives: int = 0
    exits: list[int] = field(default_factory=list)
    supervisor: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start and supervise; returns when it is ready."""
        self.supervisor = asyncio.create_task(self.supervise(), name=self.name)
        await self.until_ready()

    async def until_ready(self) -> None:
        """Wait for readiness, at most READY_SECONDS_MAX; AssertionError with the log's end otherwise."""
        try:
            async with asyncio.timeout(READY_SECONDS_MAX):
                await self.ready.wait()
        except TimeoutError:
            raise AssertionError(
                f"{self.name} was not ready in {READY_SECONDS_MAX:g} s; exits {self.exits}; its log "
                f"ends:\n{self.log_tail()}"
            ) from None

    async def supervise(self) -> None:
        """A restart follows at once; a process that was ready for nothing waits a little, so as not to spin."""
        while True:
            with self.log.open("ab") as log:
                self.process = await asyncio.create_subprocess_exec(
                    *self.argv, env=self.environment, stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE, stderr=log, start_new_session=True,
                )  # fmt: skip
            self.lives += 1
            assert self.process.stdout is not None
            was_ready = False
            while line := await self.process.stdout.readline():
                if b" is ready" in line:
                    was_ready = True
                    self.ready.set()
            self.exits.append(await self.process.wait())
            self.ready.clear()
            if not was_ready:
                await asyncio.sleep(0.2)

    @property
    def pid(self) -> int:
        """The living process, 0 when there is none."""
        return self.process.pid if self.process is not None and self.process.returncode is None else 0

    def signal(self, number: int) -> None:
        if self.pid:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def stop(self) -> None:
        """SIGTERM (also to a stopped process), SIGKILL when that does not help; no restart."""
        if self.supervisor is not None:
            self.supervisor.cancel()
            await asyncio.wait({self.supervisor})
            self.supervisor = None
        if self.process is None or not self.pid:
            return
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_SECONDS_MAX):
                await self.process.wait()
        except TimeoutError:
            self.signal(signal.SIGKILL)
            await self.process.wait()

    def log_tail(self, lines: int = 12) -> str:
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return "(no log)"
