"""Start commands, let them go, and be sure that they are gone: the asyncio side of the spawner. Linux only.

launcher = Launcher("node1"); await launcher.start(); await launcher.sweep_all()
running = await launcher.launch(Launch("main.j1.1", ["python", "train.py"], folder, {"PATH": "/usr/bin"}))
running.go()                                   # until then nothing of the command has run
async for chunk in running.output(): ...       # stdout and stderr, merged
ended = await running.wait()                   # and nothing that it started is left
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path

import structlog

from treering.adapters.containment import sweep
from treering.adapters.gateway_relay import GatewayRelay
from treering.adapters.memory_kills import shared_kills
from treering.adapters.process_groups import MARK, group_name, mark
from treering.adapters.running import Ended, Launch, Running, send_launch
from treering.adapters.sandbox.port import Sandbox, Wrapped
from treering.adapters.sandbox.unconfined import Unconfined
from treering.adapters.spawner import KILL_SECONDS_MAX
from treering.adapters.spawner_link import Answer, KillFailed, LauncherFailed, SpawnerLink
from treering.config import default_home
from treering.kernel.ending import run_each
from treering.kernel.refusal import Refused

MODE_VARIABLE = "TREERING_CONTAINMENT"
LAUNCH_SECONDS_MAX = 20.0
JOBS_MAX = 1000
SPEC_BYTES_MAX = 2 * 1024 * 1024
NAME_BYTES_MAX = 4096
SPAWNER_GONE = "the process that starts commands on its node was ended"
MEMORY_SHORT = ", and the kernel ended processes meanwhile because memory was short"
log = structlog.get_logger()

__all__ = ["Ended", "KillFailed", "Launch", "Launcher", "LauncherFailed", "Running"]


class Launcher:
    """One per executor. ``node`` and ``home`` name the parent of its groups, so that its next life finds them."""

    def __init__(
        self, node: str, *, containment: str | None = None, home: Path | None = None, sandbox: Sandbox | None = None,
        closed_ports: Sequence[int] = (), closed_addresses: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """``containment`` forces a mode, as TREERING_CONTAINMENT does; ``home``: default_home(); ``sandbox``: none.

        ``closed_ports`` of this machine's loopback, and ``closed_addresses``, are closed to commands where that is
        possible; ``still_open`` says why it is not.
        """
        self.closed_ports = ",".join(map(str, closed_ports))
        self.closed_addresses = ",".join(closed_addresses)
        self.still_open = ""
        self.sandbox = sandbox or Unconfined()
        self.parent = f"treering-{group_name(f'{home or default_home()}/{node}')[:16]}"
        self.forced = os.environ.get(MODE_VARIABLE, "") if containment is None else containment
        self.mode = ""
        self.kills_before = 0
        self.runnings: dict[str, Running] = {}
        self.link: SpawnerLink | None = None
        self.starting = asyncio.Lock()
        self.recovering: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the spawner; does nothing while there is one. LauncherFailed when it does not start."""
        await self._linked()

    async def close(self) -> None:
        """End the spawner, and with it everything it started. Safe to say twice."""
        if self.recovering is not None:
            await asyncio.wait({self.recovering})
        link, self.link = self.link, None
        if link is not None:
            await link.close()
        runnings = list(self.runnings.values())
        self._finish_all(Ended(None, None, 0.0, lost=SPAWNER_GONE))
        for running in runnings:
            running.end_output()

    async def launch(self, launch: Launch) -> Running:
        """Fork a child that waits for its go. LauncherFailed when that was not possible; Refused for a bad wish."""
        link = await self._linked()
        if len(self.runnings) >= JOBS_MAX:
            raise Refused("launch.full", f"{JOBS_MAX} commands run already: wait until one has ended")
        if launch.group in self.runnings:
            raise Refused("launch.group_busy", f"the group {launch.group} runs already: wait until it has ended")
        running = self.runnings[launch.group] = Running(link, launch.group)
        try:
            wrapped = self._wrapped(launch)
            running.relay = GatewayRelay(wrapped.gateway) if wrapped.gateway is not None else None
            await send_launch(link, running, self._spec(launch, wrapped))
        except BaseException:
            del self.runnings[launch.group]
            self.sandbox.over(launch.group)
            running.end_output()
            raise
        await self._await_launched(running)
        return running

    async def sweep_all(self) -> None:
        """Kill everything of this node: what we run, and what its earlier launchers left behind.

        KillFailed when somebody cannot be killed.
        """
        await run_each(*(running.kill() for running in list(self.runnings.values())))
        await self._sweep()

    def keep_alive(self, seconds: float) -> None:
        """Unless this is said again within ``seconds``, the spawner kills everything: even if we are stopped."""
        if self.link is not None:
            self.link.send({"do": "keep_alive", "seconds": seconds})

    def _wrapped(self, launch: Launch) -> Wrapped:
        if not launch.argv:
            raise Refused("launch.argv", "argv is empty: give the command to run")
        name, _, value = mark(self.parent, group_name(launch.group)).decode().partition("=")
        assert name == MARK
        env = {**launch.env, name: value}
        if launch.room is None:
            return Wrapped(list(launch.argv), env, [])
        return self.sandbox.wrap(launch.group, launch.argv, launch.cwd, env, launch.room)

    def _spec(self, launch: Launch, wrapped: Wrapped) -> bytes:
        spec = {**wrapped._asdict(), "cwd": str(launch.cwd), "command": launch.argv[0]}
        encoded = json.dumps(spec).encode()
        if len(encoded) > SPEC_BYTES_MAX or len(launch.group) > NAME_BYTES_MAX:
            raise Refused("launch.too_large", f"command and environment take {len(encoded)} B of {SPEC_BYTES_MAX} B")
        return encoded

    async def _await_launched(self, running: Running) -> None:
        try:
            async with asyncio.timeout(LAUNCH_SECONDS_MAX):
                await running.launched.wait()
            if not running.pid:
                ended = running.ended.result()
                raise LauncherFailed(f"{running.group} was not started: {ended.error or ended.lost}")
            if running.relay is not None:
                await running.relay.open()
        except BaseException as error:
            running._link.send({"do": "kill", "name": running.group, "grace_seconds": 0.0})
            running.end_output()
            if isinstance(error, OSError) and not isinstance(error, TimeoutError):
                raise LauncherFailed(f"{running.group} was not started: {error}") from None
            if isinstance(error, TimeoutError):
                raise LauncherFailed(f"the spawner has not answered for {LAUNCH_SECONDS_MAX:g} s") from None
            raise

    async def _linked(self) -> SpawnerLink:
        """The spawner; a new one when the last was lost and what it left has been swept."""
        async with self.starting:
            if self.recovering is not None:
                await asyncio.shield(self.recovering)
            if self.link is None:
                self.kills_before = shared_kills().so_far()
                ask = (self.parent, self.forced, self.closed_ports, self.closed_addresses)
                self.link, ready = await SpawnerLink.open(*ask, self._heard, self._lost)
                self.mode, self.still_open = ready.mode, ready.still_open
            return self.link

    def _heard(self, answer: Answer) -> None:
        running = self.runnings.get(answer.name)
        if running is None:
            return
        if answer.did == "launched":
            running.pid = answer.pid
            running.launched.set()
        elif answer.did == "ended":
            del self.runnings[answer.name]
            self.sandbox.over(answer.name)
            running.finish(ended_by(answer))

    def _lost(self) -> None:
        """Without a spawner its jobs are over: their main processes die with it, what they left is swept."""
        link, self.link = self.link, None
        if link is not None:
            log.warning("spawner.lost", running=len(self.runnings))
            self.recovering = asyncio.create_task(self._recover(link))

    async def _recover(self, link: SpawnerLink) -> None:
        """No job is said to have ended before the sweep is over. It is lost: its spawner ended it, not its user."""
        why = SPAWNER_GONE + (MEMORY_SHORT if shared_kills().so_far() > self.kills_before else "")
        await link.close()
        error = ""
        try:
            await self._sweep()
        except KillFailed as failed:
            log.error("spawner.left_processes", why=str(failed))
            error = str(failed)
        self._finish_all(Ended(None, None, 0.0, error, alive=True) if error else Ended(None, None, 0.0, lost=why))
        self.recovering = None

    def _finish_all(self, ended: Ended) -> None:
        for group in list(self.runnings):
            self.sandbox.over(group)
            self.runnings.pop(group).finish(ended)

    async def _sweep(self) -> None:
        if not await asyncio.to_thread(sweep, self.parent, KILL_SECONDS_MAX):
            raise KillFailed(f"processes of {self.parent} are still there {KILL_SECONDS_MAX:g} s after the kill")


def ended_by(answer: Answer) -> Ended:
    """The end of a job as its spawner tells it."""
    known = not answer.error and not answer.lost
    return Ended(
        answer.code if known and answer.code >= 0 else None,
        -answer.code if known and answer.code < 0 else None,
        answer.seconds,
        answer.error,
        answer.alive,
        answer.lost,
        answer.out_of_memory,
        answer.memory_limit_bytes,
    )
