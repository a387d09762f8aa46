"""One command that was launched: let it go, read what it writes, wait for its end, or kill it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from treering.adapters.gateway_relay import GatewayRelay
from treering.adapters.output_pipe import OutputPipe
from treering.adapters.sandbox.port import Room
from treering.adapters.spawner import KILL_SECONDS_MAX
from treering.adapters.spawner_link import KillFailed, SpawnerLink


@dataclass(frozen=True)
class Launch:
    """What to run: ``group`` names it among all commands of this node; ``env`` is all its environment.

    ``room`` is what it may see; without one it runs outside any sandbox.
    """

    group: str
    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str]
    room: Room | None = None


@dataclass(frozen=True)
class Ended:
    """How the main process ended: by ``exit_code`` or by ``signal``; else both are None. ``seconds`` from go.

    ``error``: it could not be run; with ``alive``: it could not be ended, so it may still run. ``lost``: a helper
    process of ours failed, so how the command would have ended is not known, and nothing of it runs any more.
    ``out_of_memory``: the kernel ended it as memory was short; ``memory_limit_bytes`` is its limit, 0 for none.
    """

    exit_code: int | None
    signal: int | None
    seconds: float
    error: str = ""
    alive: bool = False
    lost: str = ""
    out_of_memory: bool = False
    memory_limit_bytes: int = 0


class Running:
    """A child that waits for ``go()``, runs, and has ended when ``wait()`` returns, with all it started."""

    def __init__(self, link: SpawnerLink, group: str) -> None:
        loop = asyncio.get_running_loop()
        self.group = group
        self.pid = 0
        self.launched = asyncio.Event()
        self.ended: asyncio.Future[Ended] = loop.create_future()
        self._link = link
        self._output: OutputPipe | None = None
        self.relay: GatewayRelay | None = None

    async def read_from(self, descriptor: int) -> None:
        self._output = await OutputPipe.open(descriptor)

    def go(self) -> None:
        """Let the command run. Said twice or too late, it does nothing."""
        self._link.send({"do": "go", "name": self.group})

    async def output(self) -> AsyncIterator[bytes]:
        """Standard output and error as they come, merged, until everything that holds them has ended."""
        assert self._output is not None
        async for chunk in self._output.chunks():
            yield chunk

    async def wait(self) -> Ended:
        return await asyncio.shield(self.ended)

    async def kill(self, grace_seconds: float = 0.0) -> Ended:
        """SIGTERM, then after ``grace_seconds`` SIGKILL for the whole group until nobody is left.

        KillFailed when somebody cannot be killed.
        """
        if not self.ended.done():
            self._link.send({"do": "kill", "name": self.group, "grace_seconds": grace_seconds})
        try:
            async with asyncio.timeout(grace_seconds + 3 * KILL_SECONDS_MAX):
                return await self.wait()
        except TimeoutError:
            raise KillFailed(f"the processes of {self.group} do not end") from None

    def finish(self, ended: Ended) -> None:
        if not self.ended.done():
            self.ended.set_result(ended)
            self.launched.set()
            if self.relay is not None:
                self.relay.close()
            if self._output is not None:
                self._output.job_ended()

    def end_output(self) -> None:
        if self.relay is not None:
            self.relay.close()
        if self._output is not None:
            self._output.close()


async def send_launch(link: SpawnerLink, running: Running, spec: bytes) -> None:
    read, write = os.pipe2(os.O_CLOEXEC)
    try:
        await running.read_from(read)
        wish = os.memfd_create("launch")
        try:
            os.pwrite(wish, spec, 0)
            channel = (running.relay.theirs.fileno(),) if running.relay is not None else ()
            link.send({"do": "launch", "name": running.group}, (write, wish, *channel))
        finally:
            os.close(wish)
    finally:
        os.close(write)
