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
import signal
from pathlib import Path

import structlog

from treering.adapters.containment import sweep
from treering.adapters.process_groups import MARK, group_name, mark
from treering.adapters.running import Ended, Launch, Running, send_launch
from treering.adapters.spawner import KILL_SECONDS_MAX
from treering.adapters.spawner_link import Answer, LauncherFailed, SpawnerLink
from treering.config import default_home
from treering.kernel.refusal import Refused

MODE_VARIABLE = "TREERING_CONTAINMENT"
LAUNCH_SECONDS_MAX = 20.0
JOBS_MAX = 1000
SPEC_BYTES_MAX = 2 * 1024 * 1024
NAME_BYTES_MAX = 4096
log = structlog.get_logger()

__all__ = ["Ended", "Launch", "Launcher", "LauncherFailed", "Running"]


class Launcher:
    """One per executor. ``node`` and ``home`` name the parent of its groups, so that its next life finds them."""

    def __init__(self, node: str, *, containment: str | None = None, home: Path | None = None) -> None:
        """``containment`` forces a mode, as TREERING_CONTAINMENT does; ``home``: default_home()."""
        self.parent = f"treering-{group_name(f'{home or default_home()}/{node}')[:16]}"
        self.forced = os.environ.get(MODE_VARIABLE, "") if containment is None else containment
        self.mode = ""
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
        self._finish_all()
        for running in runnings:
            running.end_output()

    async def launch(self, launch: Launch) -> Running:
        """Fork a child that waits for its go. LauncherFailed when that was not possible; Refused for a bad wish."""
        spec = self._spec(launch)
        link = await self._linked()
        if len(self.runnings) >= JOBS_MAX:
            raise Refused("launch.full", f"{JOBS_MAX} commands run already: wait until one has ended")
        if launch.group in self.runnings:
            raise Refused("launch.group_busy", f"the group {launch.group} runs already: wait until it has ended")
        running = self.runnings[launch.group] = Running(link, launch.group)
        try:
            await send_launch(link, running, spec)
        except BaseException:
            del self.runnings[launch.group]
            running.end_output()
            raise
        await self._await_launched(running)
        return running

    async def sweep_all(self) -> None:
        """Kill everything of this node: what we run, and what its earlier launchers left behind.

        LauncherFailed when somebody cannot be killed.
        """
        await asyncio.gather(*(running.kill() for running in list(self.runnings.values())))
        await self._sweep()

    def keep_alive(self, seconds: float) -> None:
        """Unless this is said again within ``seconds``, the spawner kills everything: even if we are stopped."""
        if self.link is not None:
            self.link.send({"do": "keep_alive", "seconds": seconds})

    def _spec(self, launch: Launch) -> bytes:
        if not launch.argv:
            raise Refused("launch.argv", "argv is empty: give the command to run")
        name, _, value = mark(self.parent, group_name(launch.group)).decode().partition("=")
        assert name == MARK
        spec = {"argv": list(launch.argv), "cwd": str(launch.cwd), "env": {**launch.env, name: value}}
        encoded = json.dumps(spec).encode()
        if len(encoded) > SPEC_BYTES_MAX or len(launch.group) > NAME_BYTES_MAX:
            raise Refused("launch.too_large", f"command and environment take {len(encoded)} B of {SPEC_BYTES_MAX} B")
        return encoded

    async def _await_launched(self, running: Running) -> None:
        try:
            async with asyncio.timeout(LAUNCH_SECONDS_MAX):
                await running.launched.wait()
            if not running.pid:
                raise LauncherFailed(f"{running.group} was not started: {running.ended.result().error}")
        except BaseException as error:
            running._link.send({"do": "kill", "name": running.group, "grace_seconds": 0.0})
            running.end_output()
            if isinstance(error, TimeoutError):
                raise LauncherFailed(f"the spawner has not answered for {LAUNCH_SECONDS_MAX:g} s") from None
            raise

    async def _linked(self) -> SpawnerLink:
        """The spawner; a new one when the last was lost and what it left has been swept."""
        async with self.starting:
            if self.recovering is not None:
                await asyncio.shield(self.recovering)
            if self.link is None:
                self.link, self.mode = await SpawnerLink.open(self.parent, self.forced, self._heard, self._lost)
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
            code = None if answer.error or answer.code < 0 else answer.code
            number = -answer.code if answer.code < 0 and not answer.error else None
            running.finish(Ended(code, number, answer.seconds, answer.error))

    def _lost(self) -> None:
        """Without a spawner its jobs are over: their main processes die with it, what they left is swept."""
        link, self.link = self.link, None
        if link is not None:
            log.warning("spawner.lost", running=len(self.runnings))
            self.recovering = asyncio.create_task(self._recover(link))

    async def _recover(self, link: SpawnerLink) -> None:
        """No job is said to have ended before the sweep is over."""
        await link.close()
        try:
            await self._sweep()
        except LauncherFailed as failed:
            log.error("spawner.left_processes", why=str(failed))
        self._finish_all()
        self.recovering = None

    def _finish_all(self) -> None:
        for group in list(self.runnings):
            self.runnings.pop(group).finish(Ended(None, signal.SIGKILL, 0.0))

    async def _sweep(self) -> None:
        if not await asyncio.to_thread(sweep, self.parent, KILL_SECONDS_MAX):
            raise LauncherFailed(f"processes of {self.parent} are still there {KILL_SECONDS_MAX:g} s after the kill")
