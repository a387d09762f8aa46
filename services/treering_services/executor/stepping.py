"""Takes an attempt through one step after another, each with a deadline, and each left at once on a cancel.

A step is a coroutine. When the job is canceled, the attempt fenced, or the time over, it is cancelled and cleans up
behind itself: child processes are killed with all they started, threads end at their next ``meter.tick``, half-made
files are removed. What does not obey within ``stop_seconds`` is left to end by itself, and nobody waits for it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from typing import Literal, NamedTuple

import structlog

from treering.kernel.meter import Meter, Stopped, metered
from treering.kernel.refusal import Refused
from treering.tracing import span
from treering_services.executor.attempt import Attempt
from treering_services.executor.console import Console
from treering_services.executor.until_room import until_room

OBEY_SECONDS = 0.5
TOLD_SECONDS = 10.0
DEADLINES_VARIABLE = "TREERING_STEP_SECONDS"
# How long each step may take, in seconds. docs/operations.md explains them.
DEADLINES: Mapping[str, float] = {
    "claimed": 30.0,
    "environment": 2700.0,
    "inputs": 3600.0,
    "launched": 30.0,
    "waiting": float("inf"),  # for a free slot: how long is for the jobs before it to say
    "running": 30 * 86_400.0,  # limits.timeout is usually sooner
    "outputs": 3600.0,
    "logs": 300.0,
    "reported": 600.0,
}
SPANS = {"running": "job.run"}
CANCELED_OUTPUTS_SECONDS = 10.0  # for what a canceled job has written so far
log = structlog.get_logger()

Take = Callable[[Attempt, Console], Awaitable[None]]


class Step(NamedTuple):
    """``code`` is that of the failure when it takes too long; "" when that is the node's fault, so that the attempt is
    lost. ``limited``: it counts for limits.timeout. ``told``: the console says every few seconds how far it is.
    ``always``: it is taken although the attempt is over. ``again``: it may be taken again where the disk was
    full."""

    name: str
    take: Take
    code: str = ""
    limited: bool = False
    told: bool = False
    always: bool = False
    again: bool = False
    stop_seconds: float = OBEY_SECONDS


def deadlines() -> dict[str, float]:
    """``DEADLINES``, with what TREERING_STEP_SECONDS says instead ("inputs=7200,environment=600")."""
    found = dict(DEADLINES)
    for word in os.environ.get(DEADLINES_VARIABLE, "").split(","):
        name, _, seconds = word.strip().partition("=")
        if not name:
            continue
        try:
            valid = name in found and float(seconds) > 0
        except ValueError:
            valid = False
        if not valid:
            choices = ", ".join(found)
            raise Refused(
                "config.invalid", f"{DEADLINES_VARIABLE}: {word[:60]!r} is not STEP=SECONDS; the steps are {choices}"
            )
        found[name] = float(seconds)
    return found


class Walk:
    """Takes the steps of attempts. ``abandoned`` are those that did not end when they were told to."""

    def __init__(self, deadline_seconds: Mapping[str, float]) -> None:
        self.deadline_seconds = deadline_seconds
        self.abandoned: set[asyncio.Task[None]] = set()

    async def take(self, step: Step, attempt: Attempt, console: Console) -> None:
        """One step, until it has ended or is not to go on. What it raises is raised here."""
        if attempt.fenced.is_set() or (attempt.over and not step.always):
            return
        attempt.enter(step.name)
        stops = attempt.stops()
        with span(SPANS.get(step.name, f"job.{step.name}"), attempt.trace), metered(Meter()) as meter:
            attempt.meter = meter
            task = asyncio.create_task(taken(step, attempt, console))
            try:
                await self.watch(step, attempt, console, task, stops)
            finally:
                attempt.leave(limited=step.limited)
        if task.done() and not task.cancelled():
            with suppress(Stopped):
                task.result()

    async def watch(
        self,
        step: Step,
        attempt: Attempt,
        console: Console,
        task: asyncio.Task[None],
        stops: Collection[asyncio.Task[Literal[True]]],
    ) -> None:
        """Until ``task`` is done, or told to stop because of a cancel, the fence or the deadline."""
        while not task.done() and not any(stop.done() for stop in stops):
            left_seconds = self.left_seconds(step, attempt)
            if left_seconds <= 0:
                self.is_late(step, attempt, console)
                break
            pause_seconds = min(left_seconds, TOLD_SECONDS) if step.told else left_seconds
            timeout = None if pause_seconds == float("inf") else pause_seconds
            done, _ = await asyncio.wait({task, *stops}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            if not done and step.told:
                console.say(attempt.progress_line())
        if not task.done():
            await self.stop(step, attempt, task)

    def left_seconds(self, step: Step, attempt: Attempt) -> float:
        allowed = self.deadline_seconds[step.name]
        if step.name == "outputs" and attempt.cancel_requested.is_set():
            allowed = min(allowed, CANCELED_OUTPUTS_SECONDS)
        left_seconds = allowed - attempt.step_seconds
        return min(left_seconds, attempt.limit_left_seconds) if step.limited else left_seconds

    def is_late(self, step: Step, attempt: Attempt, console: Console) -> None:
        """The time is over: put it down to the job's own limit, to the step, or to us."""
        limit = attempt.spec.timeout_seconds
        so_far = str(attempt.figure)
        after = f" after {so_far}" if so_far else ""
        allowed = self.deadline_seconds[step.name]
        if step.limited and limit is not None and attempt.limit_left_seconds <= 0:
            attempt.fail(
                "timeout", f"the job took longer than its limit of {limit:g} s, in the step {step.name}{after}"
            )
        elif step.code:
            attempt.fail(step.code, f"the step {step.name} took longer than {allowed:g} s{after}")
        else:
            attempt.lose(f"the step {step.name} took longer than {allowed:g} s on its node")
        log.warning("step.late", job=str(attempt.job), attempt=attempt.number, step=step.name)
        if step.told:
            console.say(attempt.failure.message if attempt.failure else attempt.lost)

    async def stop(self, step: Step, attempt: Attempt, task: asyncio.Task[None]) -> None:
        attempt.meter.stop()
        task.cancel()
        await asyncio.wait({task}, timeout=step.stop_seconds)
        if not task.done():
            log.warning("step.abandoned", job=str(attempt.job), attempt=attempt.number, step=step.name)
            self.abandoned.add(task)
            task.add_done_callback(self.ended_late)

    def ended_late(self, task: asyncio.Task[None]) -> None:
        self.abandoned.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.info("step.ended_late", why=str(task.exception()))


async def taken(step: Step, attempt: Attempt, console: Console) -> None:
    """The step as a coroutine that may be cancelled before it has begun."""
    if step.again:
        await until_room(lambda: step.take(attempt, console), attempt.folder, console.say)
    else:
        await step.take(attempt, console)
