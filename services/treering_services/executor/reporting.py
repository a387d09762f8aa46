"""Tells the log what becomes of an attempt: only while it is ours, and until somebody answers."""

from __future__ import annotations

import asyncio
import signal

import structlog

from treering.adapters.bus import Commands
from treering.adapters.launcher import Ended
from treering.domain.job_messages import CompleteJob, ConfirmCancel, FailJob, LoseAttempt
from treering.kernel.aggregate import Command
from treering.kernel.log import LogUnavailable
from treering.kernel.refusal import Refused
from treering_services.executor.attempt import Attempt
from treering_services.executor.console import Console
from treering_services.executor.masked_words import masked

RETRY_SECONDS = 0.3
log = structlog.get_logger()


class Reporter:
    """What one node says of its attempts. ``position`` is that of the last thing it said."""

    def __init__(self, node: str, commands: Commands) -> None:
        self.node = node
        self.actor = f"node:{node}"
        self.commands = commands
        self.position = 0

    async def report(self, attempt: Attempt, console: Console) -> None:
        """The outcome. A job that was asked to cancel is canceled, however its command ended.

        When nobody answers before the deadline, the attempt is given up here: the scheduler finds that its node does
        not know it any more, and loses it.
        """
        left_out = (tuple(attempt.left_out), attempt.left_out_count)
        ending = (attempt.outputs, attempt.logs, attempt.seconds, *left_out)
        if attempt.cancel_requested.is_set():
            await self.say(attempt, ConfirmCancel(attempt.number, self.node, *ending))
        elif attempt.lost:
            await self.say(attempt, LoseAttempt(attempt.number, self.node, attempt.lost))
        elif attempt.failure is not None:
            why = attempt.failure
            await self.say(attempt, FailJob(attempt.number, self.node, why.code, why.message, why.exit_code, *ending))
        else:
            await self.say(attempt, CompleteJob(attempt.number, self.node, *ending))
        attempt.reported = True

    async def say(self, attempt: Attempt, command: Command) -> bool:
        """Send until it is answered or the attempt is not ours any more; False when it was refused."""
        command_id = f"{self.actor}:{type(command).__name__}:{attempt.group}"
        command = masked(command, attempt.masker)
        while not attempt.fenced.is_set():
            try:
                written = await self.commands.send(attempt.job, command, attempt.context(command_id, self.actor))
                self.position = max(self.position, written.position)
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


def judge(attempt: Attempt, ended: Ended) -> None:
    """Put the end of the command down to its cause: us, the memory, something that killed it, or the command."""
    if ended.lost:
        attempt.lose(ended.lost)
    elif ended.error:
        attempt.fail("kill_failed" if ended.alive else "start_failed", ended.error)
    elif ended.out_of_memory:
        limit = f" (its limit is {ended.memory_limit_bytes >> 20} MiB)" if ended.memory_limit_bytes else ""
        message = f"the kernel ended the command because memory was short{limit}"
        attempt.fail("out_of_memory", message, ended.exit_code)
    elif ended.signal is not None:
        name = next((one.name for one in signal.Signals if one == ended.signal), "a real-time signal")
        attempt.fail("signal", f"the command was ended by signal {ended.signal} ({name})")
    elif ended.exit_code:
        attempt.fail("exit_code", f"the command exited with code {ended.exit_code}", ended.exit_code)
