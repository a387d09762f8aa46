"""One attempt at a job, threaded through named steps; each step takes it as it is and leaves it further on.

    claimed -> environment -> inputs -> running -> outputs -> reported

A step that finds the attempt over (failed, canceled, fenced) passes it on untouched, so the last step always
has something to report: except a fenced attempt, about which nothing may be said any more.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from treering.adapters.launcher import Running
from treering.domain.job_messages import OutputData
from treering.domain.job_spec import JobSpec
from treering.kernel.clock import now
from treering.kernel.command import Context
from treering.kernel.subjects import Address


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

    python: Path | None = None
    input_paths: dict[str, str] = field(default_factory=dict)
    output_paths: dict[str, Path] = field(default_factory=dict)
    running: Running | None = None
    started: bool = False
    failure: Failure | None = None
    outputs: dict[str, OutputData] = field(default_factory=dict)
    logs: str = ""
    seconds: float = 0.0

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
        return self.failure is not None or self.cancel_requested.is_set() or self.fenced.is_set()

    def fail(self, code: str, message: str, exit_code: int | None = None) -> None:
        """The first failure is the one that counts."""
        self.failure = self.failure or Failure(code, message, exit_code)

    def context(self, command_id: str, actor: str) -> Context:
        return Context(command_id, now(), actor, self.cause, self.trace)
