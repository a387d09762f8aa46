"""One attempt at a job, threaded through named steps; each step takes it as it is and leaves it further on.

    claimed -> environment -> inputs -> launched -> waiting -> running -> outputs -> logs -> reported

The steps of an attempt that is over (failed, lost, canceled) are left out up to the last ones, which report it;
of a fenced attempt nothing may be said any more. stepping.py takes the steps and bounds each.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from treering.adapters.launcher import Running
from treering.adapters.masking import Masker
from treering.domain.job_messages import LeftOut, OutputData
from treering.domain.job_spec import JobSpec
from treering.kernel.clock import monotonic_seconds, now
from treering.kernel.command import Context
from treering.kernel.ending import end
from treering.kernel.meter import Meter
from treering.kernel.progress import Progress
from treering.kernel.subjects import Address
from treering.kernel.url_secrets import without_secrets

TOLD_AFTER_SECONDS = 1.0  # most steps take less, and nobody would look that fast


@dataclass(frozen=True)
class Failure:
    """Why an attempt failed: a code for programs, a sentence for people."""

    code: str
    message: str
    exit_code: int | None = None


@dataclass
class Attempt:
    """``job`` and ``number`` say which; the rest is what the steps found out."""

    job: Address
    number: int
    spec: JobSpec
    folder: Path
    cause: str = ""  # id of the commit that assigned it
    trace: str = ""
    experiment_id: str = ""  # as MLflow's clients know the experiment; "" when the gateway did not say

    secrets: dict[str, str] = field(default_factory=dict)  # its sealed variables, opened; shown to nobody
    masker: Masker = field(default_factory=Masker)  # of whatever is said about it or by it

    python: Path | None = None
    input_paths: dict[str, str] = field(default_factory=dict)
    output_paths: dict[str, Path] = field(default_factory=dict)
    running: Running | None = None
    started: bool = False
    failure: Failure | None = None
    lost: str = ""  # why the node failed on it, although the job did not
    outputs: dict[str, OutputData] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)  # the first of left_out_count
    left_out_count: int = 0
    own_logs: str = ""  # digest of what the script wrote into ./logs
    logs: str = ""  # and of that and the console
    seconds: float = 0.0

    step: str = "claimed"
    step_at_seconds: float = field(default_factory=monotonic_seconds)
    step_since: datetime = field(default_factory=now)
    meter: Meter = field(default_factory=Meter)
    limited_seconds: float = 0.0  # what the steps before took of limits.timeout
    holds_slot: bool = False
    reported: bool = False
    asking: asyncio.Task[None] | None = None  # for the number of its experiment
    waiting: list[asyncio.Task[Literal[True]]] = field(default_factory=list)

    cancel_requested: asyncio.Event = field(default_factory=asyncio.Event)
    fenced: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def group(self) -> str:
        return f"{self.job.workspace}.{self.job.key}.{self.number}"

    @property
    def code_folder(self) -> Path:
        return self.folder / "code"

    @property
    def log_file(self) -> Path:
        return self.folder / "logs" / "user_logs" / "std_log.txt"

    @property
    def over(self) -> bool:
        """Nothing more is to be run."""
        return self.failure is not None or bool(self.lost) or self.cancel_requested.is_set() or self.fenced.is_set()

    def stops(self) -> list[asyncio.Task[Literal[True]]]:
        """Done when the attempt is fenced or, unless it was before, canceled. Made once: steps may be short."""
        if not self.waiting:
            self.waiting = [asyncio.create_task(event.wait()) for event in (self.fenced, self.cancel_requested)]
        return self.waiting[:1] if self.cancel_requested.is_set() else self.waiting

    async def close(self) -> None:
        await end(*self.waiting, *([self.asking] if self.asking is not None else []))

    def enter(self, step: str) -> None:
        self.step, self.step_at_seconds, self.step_since = step, monotonic_seconds(), now()

    def leave(self, limited: bool) -> None:
        self.limited_seconds += self.step_seconds if limited else 0.0

    @property
    def step_seconds(self) -> float:
        return monotonic_seconds() - self.step_at_seconds

    @property
    def limit_left_seconds(self) -> float:
        """What is left of limits.timeout while a step that counts for it is taken."""
        limit = float("inf") if self.spec.timeout_seconds is None else self.spec.timeout_seconds
        return limit - self.limited_seconds - self.step_seconds

    @property
    def figure(self) -> Meter:
        """How far its step is."""
        return self.meter.source or self.meter

    def progress(self) -> Progress | None:
        """For whoever looks from outside; None while its step has only just begun."""
        seconds = self.step_seconds
        if seconds < TOLD_AFTER_SECONDS:
            return None
        figure = self.figure
        still_seconds = min(figure.still_seconds, seconds)
        amounts = (round(seconds, 1), round(still_seconds, 1), figure.done, figure.total, figure.unit, str(figure))
        return Progress(self.job.key, self.number, self.step, *amounts)

    def progress_line(self) -> str:
        done = str(self.figure)
        return f"step {self.step} for {self.step_seconds:.0f} s{': ' if done else ''}{done}"

    def fail(self, code: str, message: str, exit_code: int | None = None) -> None:
        """The first failure is the one that counts."""
        if not self.lost:
            self.failure = self.failure or Failure(code, self.masked(message), exit_code)

    def lose(self, reason: str) -> None:
        """We failed, not the job: another attempt may succeed. A failure that is known already still counts."""
        if self.failure is None:
            self.lost = self.lost or self.masked(reason)

    def masked(self, text: str) -> str:
        """Without the secrets of the job, and those in addresses: a server may have sent us on to a signed one."""
        return self.masker.text(without_secrets(text))

    def context(self, command_id: str, actor: str) -> Context:
        return Context(command_id, now(), actor, self.cause, self.trace)
