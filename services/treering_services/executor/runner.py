"""Carry one attempt through its steps, and say how it ended: once, and only while it is ours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import structlog

from treering.adapters.blobs import LocalBlobs
from treering.adapters.bus import Commands
from treering.adapters.egress import Egress
from treering.adapters.environments import Environments
from treering.adapters.launcher import KillFailed, Launch, Launcher, Running
from treering.adapters.masked_files import mask_files
from treering.adapters.sandbox.port import Room
from treering.adapters.spawner import KILL_SECONDS_MAX
from treering.domain.job_messages import FinalizeJob, StartJob
from treering.kernel.clock import monotonic_seconds
from treering.kernel.disk import refusal_of
from treering.kernel.ending import end
from treering.kernel.refusal import Refused
from treering.tracing import Value, span
from treering_services.executor import leaving, steps
from treering_services.executor.attempt import Attempt
from treering_services.executor.console import Console
from treering_services.executor.reporting import Reporter, judge
from treering_services.executor.stepping import DEADLINES, Step, Walk
from treering_services.executor.workplace import Leftovers

CANCEL_GRACE_SECONDS = 1.0
RUNNING_STOP_SECONDS = CANCEL_GRACE_SECONDS + 4 * KILL_SECONDS_MAX  # the kill itself is bounded by less
CLOSE_SECONDS = 5.0  # for the console of an attempt about which nothing may be said any more
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
        egress: Egress | None = None,
        deadline_seconds: Mapping[str, float] = DEADLINES,
        *,
        room: Callable[[Attempt], Room],
        secrets: Callable[[Attempt], dict[str, str]] = lambda attempt: {},
    ) -> None:
        self.node = node
        self.commands = commands
        self.reporter = Reporter(node, commands)
        self.launcher = launcher
        self.environments = environments
        self.blobs = blobs
        self.slots = slots
        self.shims = shims
        self.store = store  # of the streams
        self.gateway_url = gateway_url
        self.job_token = job_token
        self.egress = egress or Egress()
        self.walk = Walk(deadline_seconds)
        self.room = room
        self.secrets = secrets
        self.leftovers = Leftovers()
        self.experiments: dict[tuple[str, str], tuple[str, float]] = {}  # number, and when it was asked for

        self.until_it_ran: tuple[Step, ...] = (
            Step("claimed", self.claim, limited=True),
            Step("environment", self.environment, "environment.timeout", limited=True, told=True, again=True),
            Step("inputs", self.inputs, "input.timeout", limited=True, told=True, again=True),
            Step("launched", self.fork, limited=True),
            Step("waiting", self.wait_for_slot),
            Step("running", self.run, "timeout", limited=True, stop_seconds=RUNNING_STOP_SECONDS),
        )
        self.after_it_ran: tuple[Step, ...] = (
            Step("outputs", self.finish, "output.timeout", told=True, always=True, again=True),
            Step("logs", self.archive, always=True, again=True),
        )
        self.last: tuple[Step, ...] = (Step("reported", self.reporter.report, always=True),)

    async def carry_out(self, attempt: Attempt) -> None:
        """All steps, as one span of the trace that the job was submitted in."""
        named: dict[str, Value] = {
            "treering.job": attempt.job.key,
            "treering.attempt": attempt.number,
            "treering.node": self.node,
        }
        with span("job.attempt", attempt.trace, attributes=named) as whole:
            attempt.trace = whole.trace
            try:
                await self.take_steps(attempt)
            finally:
                await attempt.close()
            if attempt.failure is not None:
                whole.fail(attempt.failure.code)

    async def take_steps(self, attempt: Attempt) -> None:
        """Whatever goes wrong on the way, the attempt ends reported, unless it is fenced."""
        console = Console(
            self.commands.client, attempt.job, attempt.number, attempt.log_file, self.store, masker=attempt.masker
        )
        try:
            await self.take(self.until_it_ran, attempt, console)
        finally:
            self.give_back_slot(attempt)
        await self.end(attempt)
        await self.take(self.after_it_ran, attempt, console)
        if attempt.fenced.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await console.close()
        await self.take(self.last, attempt, console)
        if attempt.cancel_requested.is_set() and not attempt.reported:
            await self.take(self.last, attempt, console)  # It was canceled while something else was reported.
        await self.leftovers.add(attempt.folder)

    async def take(self, steps: Sequence[Step], attempt: Attempt, console: Console) -> None:
        for step in steps:
            try:
                await self.walk.take(step, attempt, console)
            except Refused as refused:
                console.say(refused.detail)
                attempt.fail(refused.code, refused.detail)
            except Exception as error:
                self.failed(attempt, error)

    def failed(self, attempt: Attempt, error: Exception) -> None:
        log.exception("attempt.failed", job=str(attempt.job), attempt=attempt.number)
        known = refusal_of(error)
        if isinstance(error, KillFailed):  # A second attempt would run beside what is left of this one.
            attempt.fail("kill_failed", str(error))
        elif isinstance(error, Refused):
            attempt.fail(error.code, error.detail)
        elif known is not None and known.code == "disk.full":  # also after it was waited for
            attempt.fail(known.code, known.detail)
        else:
            attempt.lose(f"its executor failed: {type(error).__name__}: {error}")

    async def end(self, attempt: Attempt) -> None:
        """Nothing of the attempt runs any more."""
        try:
            if attempt.running is not None:
                await attempt.running.kill()
        except Exception as error:
            self.failed(attempt, error)

    async def claim(self, attempt: Attempt, console: Console) -> None:
        """It is ours. What the gateway is asked comes while the environment and the inputs are made."""
        attempt.secrets = await asyncio.to_thread(self.secrets, attempt)
        attempt.masker.add([*attempt.secrets.values(), *steps.visible_secrets(attempt), self.job_token(attempt)])
        attempt.asking = asyncio.create_task(self.experiment(attempt))

    async def environment(self, attempt: Attempt, console: Console) -> None:
        attempt.python = await self.environments.ready(attempt.spec.environment, console.say)

    async def inputs(self, attempt: Attempt, console: Console) -> None:
        await steps.inputs(attempt, self.blobs, self.egress)

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

    async def fork(self, attempt: Attempt, console: Console) -> None:
        """Fork the command into its group, where it waits for its go."""
        if attempt.asking is not None:
            await attempt.asking
        attempt.secrets = {name: steps.filled(attempt, value) for name, value in attempt.secrets.items()}
        attempt.masker.add(attempt.secrets.values())
        launch = Launch(
            attempt.group,
            steps.command_line(attempt),
            attempt.code_folder,
            steps.variables(attempt, self.shims, self.gateway_url(), self.job_token(attempt)),
            self.room(attempt),
        )
        attempt.running = await self.launcher.launch(launch)

    async def wait_for_slot(self, attempt: Attempt, console: Console) -> None:
        await self.slots.acquire()
        attempt.holds_slot = True

    def give_back_slot(self, attempt: Attempt) -> None:
        if attempt.holds_slot:
            attempt.holds_slot = False
            self.slots.release()

    async def run(self, attempt: Attempt, console: Console) -> None:
        """Claim the start in the log, and only then let the command go: at most one start an attempt."""
        assert attempt.running is not None
        if not await self.claim_start(attempt) or attempt.over:
            return
        attempt.started = True
        attempt.running.go()
        await self.watch(attempt, attempt.running, console)

    async def claim_start(self, attempt: Attempt) -> bool:
        return await self.reporter.say(attempt, StartJob(attempt.number, self.node, self.launcher.sandbox.name))

    async def watch(self, attempt: Attempt, running: Running, console: Console) -> None:
        """Until the command and all it started have ended: by itself, or because this step is not to go on."""
        copying = asyncio.create_task(copy_output(running, console))
        try:
            await running.wait()
        finally:
            try:
                ended = await running.kill(0.0 if attempt.fenced.is_set() else CANCEL_GRACE_SECONDS)
                await copying
            finally:
                await end(copying)
            attempt.seconds = round(ended.seconds, 3)
            judge(attempt, ended)
            if attempt.failure and not attempt.cancel_requested.is_set():
                console.say(attempt.failure.message)
            elif attempt.lost:
                console.say(f"{attempt.lost}; the job is tried again unless this was its last attempt")

    async def finish(self, attempt: Attempt, console: Console) -> None:
        if not attempt.started:
            return
        if attempt.spec.outputs and not attempt.cancel_requested.is_set():
            await self.reporter.say(attempt, FinalizeJob(attempt.number, self.node))
        await leaving.store_outputs(attempt, self.blobs, console.say)

    async def archive(self, attempt: Attempt, console: Console) -> None:
        """The console is complete, and stored."""
        await console.close()
        if attempt.log_file.exists():
            await asyncio.to_thread(mask_files, attempt.folder / "logs", attempt.masker, attempt.log_file)
        await leaving.store_logs(attempt, self.blobs)


async def copy_output(running: Running, console: Console) -> None:
    async for chunk in running.output():
        console.write(chunk)
    console.written()
