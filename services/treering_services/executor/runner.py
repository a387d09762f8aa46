"""Carry one attempt through its steps, and say how it ended: once, and only while it is ours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from treering.adapters.blobs import LocalBlobs
from treering.adapters.bus import Commands
from treering.adapters.environments import Environments
from treering.adapters.launcher import Launch, Launcher
from treering.domain.job_messages import CompleteJob, ConfirmCancel, FailJob, FinalizeJob, StartJob
from treering.kernel.aggregate import Command
from treering.kernel.clock import monotonic_seconds
from treering.kernel.log import LogUnavailable
from treering.kernel.refusal import Refused
from treering.tracing import Value, span
from treering_services.executor import steps
from treering_services.executor.attempt import Attempt
from treering_services.executor.console import Console
from treering_services.executor.workplace import Leftovers

CANCEL_GRACE_SECONDS = 1.0
RETRY_SECONDS = 0.3
EXPERIMENT_SECONDS = 2.0  # for so long a name may still mean what it meant before a renaming
EXPERIMENTS_MAX = 1000
log = structlog.get_logger()


class Runner:
    """What every attempt of a node needs. ``slots`` bounds how many commands run at the same time."""

    def __init__(
        self,
        node: str,
        commands: Commands,
        launcher: Launcher,
        environments: Environments,
        blobs: LocalBlobs,
        slots: asyncio.Semaphore,
        shims: Path,
        store: Path,
        gateway_url: Callable[[], str],
        job_token: Callable[[Attempt], str],
    ) -> None:
        self.node = node
        self.actor = f"node:{node}"
        self.commands = commands
        self.launcher = launcher
        self.environments = environments
        self.blobs = blobs
        self.slots = slots
        self.shims = shims
        self.store = store  # of the streams
        self.gateway_url = gateway_url
        self.job_token = job_token
        self.leftovers = Leftovers()
        self.reported = 0  # the position of the last thing said of an attempt
        self.experiments: dict[tuple[str, str], tuple[str, float]] = {}  # number, and when it was asked for

    async def carry_out(self, attempt: Attempt) -> None:
        """All steps, as one span of the trace that the job was submitted in."""
        named: dict[str, Value] = {
            "treering.job": attempt.job.key,
            "treering.attempt": attempt.number,
            "treering.node": self.node,
        }
        with span("job.attempt", attempt.trace, attributes=named) as whole:
            attempt.trace = whole.trace
            await self.take_steps(attempt)
            if attempt.failure is not None:
                whole.fail(attempt.failure.code)

    async def take_steps(self, attempt: Attempt) -> None:
        """Whatever goes wrong on the way, the attempt ends reported, unless it is fenced."""
        console = Console(self.commands.client, attempt.job, attempt.number, attempt.log_file, self.store)
        try:
            await self.prepare(attempt, console)
            await self.fork(attempt)
            if await self.slot(attempt):
                try:
                    await self.run(attempt, console)
                finally:
                    self.slots.release()
            await self.finish(attempt, console)
        except Exception as error:
            self.failed(attempt, error)
        try:
            await self.end(attempt, console)
        except Exception as error:
            self.failed(attempt, error)
        if not attempt.fenced.is_set():
            await self.report(attempt)
        await self.leftovers.add(attempt.folder)

    def failed(self, attempt: Attempt, error: Exception) -> None:
        log.exception("attempt.failed", job=str(attempt.job), attempt=attempt.number)
        attempt.fail("executor.failed", f"the executor failed: {type(error).__name__}: {error}")

    async def end(self, attempt: Attempt, console: Console) -> None:
        """Nothing of the attempt runs any more, and its console is complete."""
        if attempt.running is not None:
            await attempt.running.kill()
        await console.close()
        if not attempt.fenced.is_set():
            await steps.archive_logs(attempt, self.blobs)

    async def prepare(self, attempt: Attempt, console: Console) -> None:
        asking = asyncio.create_task(self.experiment(attempt))
        if not attempt.over:
            with span("job.environment", attempt.trace):
                await steps.environment(attempt, self.environments, console)
        if not attempt.over:
            with span("job.inputs", attempt.trace):
                await steps.inputs(attempt, self.blobs, console)
        await asking

    async def experiment(self, attempt: Attempt) -> None:
        """The number of the experiment; many jobs of one that start at the same time ask for it once."""
        name = (attempt.job.workspace, attempt.spec.experiment)
        known, asked_at_seconds = self.experiments.get(name, ("", -EXPERIMENT_SECONDS))
        if monotonic_seconds() - asked_at_seconds < EXPERIMENT_SECONDS:
            attempt.experiment_id = known
            return
        await steps.experiment(attempt, self.gateway_url(), self.job_token(attempt))
        if attempt.experiment_id:
            if len(self.experiments) >= EXPERIMENTS_MAX:
                self.experiments.clear()
            self.experiments[name] = (attempt.experiment_id, monotonic_seconds())

    async def fork(self, attempt: Attempt) -> None:
        """Fork the command into its group, where it waits for its go."""
        if attempt.over:
            return
        launch = Launch(
            attempt.group,
            steps.command_line(attempt),
            attempt.code_folder,
            steps.variables(attempt, self.shims, self.gateway_url(), self.job_token(attempt)),
        )
        attempt.running = await self.launcher.launch(launch)

    async def slot(self, attempt: Attempt) -> bool:
        """Wait for a free slot; False when the attempt was over before there was one."""
        if attempt.over:
            return False
        if not self.slots.locked():
            return await self.slots.acquire()
        stops = [asyncio.create_task(event.wait()) for event in (attempt.cancel_requested, attempt.fenced)]
        acquiring = asyncio.create_task(self.slots.acquire())
        await asyncio.wait({acquiring, *stops}, return_when=asyncio.FIRST_COMPLETED)
        for stop in stops:
            stop.cancel()
        if not acquiring.done():
            acquiring.cancel()
        return acquiring.done() and not acquiring.cancelled()

    async def run(self, attempt: Attempt, console: Console) -> None:
        """Claim the start in the log, and only then let the command go: at most one start an attempt."""
        assert attempt.running is not None
        if attempt.over or not await self.claim_start(attempt):
            return
        if attempt.over:
            return
        attempt.started = True
        with span("job.run", attempt.trace):
            attempt.running.go()
            await self.watch(attempt, console)

    async def claim_start(self, attempt: Attempt) -> bool:
        return await self.say(attempt, StartJob(attempt.number, self.node))

    async def watch(self, attempt: Attempt, console: Console) -> None:
        """Until the command and all it started have ended: by itself, on time-out, cancel or fence."""
        assert attempt.running is not None
        running = attempt.running
        copying = asyncio.create_task(copy_output(attempt, console))
        stops = [asyncio.create_task(event.wait()) for event in (attempt.cancel_requested, attempt.fenced)]
        waited: set[asyncio.Future[Any]] = {running.ended, *stops}
        await asyncio.wait(waited, timeout=attempt.spec.timeout_seconds, return_when=asyncio.FIRST_COMPLETED)
        if not running.ended.done():
            if not attempt.over:
                attempt.fail("timeout", f"the job ran longer than its limit of {attempt.spec.timeout_seconds:g} s")
            await running.kill(0.0 if attempt.fenced.is_set() else CANCEL_GRACE_SECONDS)
        for stop in stops:
            stop.cancel()
        ended = await running.wait()
        await copying
        attempt.seconds = round(ended.seconds, 3)
        if ended.error:
            attempt.fail("start_failed", ended.error)
        elif ended.signal is not None:
            attempt.fail("signal", f"the command was ended by signal {ended.signal}")
        elif ended.exit_code:
            attempt.fail("exit_code", f"the command exited with code {ended.exit_code}", ended.exit_code)
        if attempt.failure and not attempt.cancel_requested.is_set():
            console.say(attempt.failure.message)

    async def finish(self, attempt: Attempt, console: Console) -> None:
        if not attempt.started or attempt.fenced.is_set():
            return
        if attempt.spec.outputs and not attempt.cancel_requested.is_set():
            await self.say(attempt, FinalizeJob(attempt.number, self.node))
        with span("job.outputs", attempt.trace):
            await steps.outputs(attempt, self.blobs, console)

    async def report(self, attempt: Attempt) -> None:
        """The outcome. A job that was asked to cancel is canceled, however its command ended."""
        ending = (attempt.outputs, attempt.logs, attempt.seconds)
        if attempt.cancel_requested.is_set():
            await self.say(attempt, ConfirmCancel(attempt.number, self.node, *ending))
        elif attempt.failure is not None:
            why = attempt.failure
            await self.say(attempt, FailJob(attempt.number, self.node, why.code, why.message, why.exit_code, *ending))
        else:
            await self.say(attempt, CompleteJob(attempt.number, self.node, *ending))

    async def say(self, attempt: Attempt, command: Command) -> bool:
        """Send until it is answered or the attempt is not ours any more; False when it was refused."""
        command_id = f"{self.actor}:{type(command).__name__}:{attempt.group}"
        while not attempt.fenced.is_set():
            try:
                written = await self.commands.send(attempt.job, command, attempt.context(command_id, self.actor))
                self.reported = max(self.reported, written.position)
                return True
            except Refused as refused:
                if not refused.code.startswith("service."):
                    self.heed(attempt, refused)
                    return False
                why = refused.detail  # That is no decision: the service is busy, or has failed.
            except LogUnavailable as error:
                why = str(error)
            log.warning("report.unanswered", job=str(attempt.job), why=why)
            await asyncio.sleep(RETRY_SECONDS)
        return False

    def heed(self, attempt: Attempt, refused: Refused) -> None:
        log.info("report.refused", job=str(attempt.job), attempt=attempt.number, code=refused.code, why=refused.detail)
        if refused.code == "job.cancel_requested":
            attempt.cancel_requested.set()
        elif refused.code in ("job.stale_attempt", "job.absent"):
            attempt.fenced.set()


async def copy_output(attempt: Attempt, console: Console) -> None:
    assert attempt.running is not None
    async for chunk in attempt.running.output():
        console.write(chunk)
