"""The history of a job platform, made up: jobs that queue, run and end, in two workspaces, over a hundred days."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec

from treering.domain.job_messages import (
    JobAssigned,
    JobCanceled,
    JobCancelRequested,
    JobCompleted,
    JobEvent,
    JobFailed,
    JobFinalizing,
    JobLost,
    JobStarted,
    JobSubmitted,
    OutputData,
)
from treering.domain.job_spec import EnvironmentSpec, JobSpec
from treering.kernel.log import Commit, Entry, encoder

START = datetime(2026, 1, 1, tzinfo=UTC)
SPAN_DAYS = 100
DAYS = [f"{START + timedelta(days=number):%Y-%m-%d}" for number in range(5, SPAN_DAYS - 5)]
BATCH = 1000
AT_ONCE = 400  # jobs under way
ENVIRONMENT = EnvironmentSpec(python="3.11", requirements=("scikit-learn==1.5.0",))


class JobSoFar:
    """One job's way through the log."""

    def __init__(self, chance: random.Random, number: int, short: bool) -> None:
        workspace = "main" if chance.random() < 0.9 else "side"
        self.subject = f"evt.{workspace}.job.job-{number}"
        self.version, self.prev = 0, ""
        self.user = f"user-{min(int(chance.expovariate(0.05)) + 1, 200)}"
        self.left = steps(chance, number)
        if short:
            self.left = [self.left[0], ("", JobCanceled())]

    def commit(self, chance: random.Random, at: datetime) -> bytes:
        actor, event = self.left.pop(0)
        self.version += 1
        body = encoder.encode(
            Commit(
                f"{chance.getrandbits(128):032x}", f"{chance.getrandbits(128):032x}", self.version, at,
                actor or self.user, f"{chance.getrandbits(128):032x}", prev=self.prev,
                events=msgspec.Raw(encoder.encode([event])),
            )
        )  # fmt: skip
        self.prev = hashlib.sha256(self.subject.encode() + b"\n" + body).hexdigest()
        return body


def steps(chance: random.Random, number: int) -> list[tuple[str, JobEvent]]:
    """What happens to a job, and by whom ("" is its user)."""
    node = f"n{chance.randint(1, 20)}"
    executor = f"node:{node}"
    note = f"word{chance.randint(1, 5000)} word{chance.randint(1, 5000)}"
    spec = JobSpec("python train.py", ENVIRONMENT, experiment=f"exp-{number % 50}", description=note,
                   display_name=f"run {number}", tags={"team": "vision" if number % 3 else "sound"})  # fmt: skip
    submitted: list[tuple[str, JobEvent]] = [("", JobSubmitted(spec))]
    attempt = 1
    if chance.random() < 0.01:
        submitted += [("service:scheduler", JobAssigned(1, node, "i")), ("service:scheduler", JobLost(1, "silent"))]
        attempt = 2
    begun: list[tuple[str, JobEvent]] = [
        ("service:scheduler", JobAssigned(attempt, node, "i")),
        (executor, JobStarted(attempt, node)),
    ]
    if chance.random() < 0.02:
        begun.append(("", JobCancelRequested(note)))
    if chance.random() < 0.1:
        return [*submitted, *begun, (executor, JobFailed(attempt, "exit_code", f"it failed: {note}", 1, seconds=3.0))]
    digest = f"sha256:{chance.getrandbits(256):064x}"
    done = JobCompleted(attempt, {"model": OutputData(digest, 3, chance.randint(1000, 10**9))}, digest, 60.0)
    return [*submitted, *begun, (executor, JobFinalizing(attempt)), (executor, done)]


def batches(commits: int, *, short: bool = False, seed: int = 1) -> Iterator[list[Entry]]:
    """``commits`` commits in batches, as the follower gives them; the same ones each time. ``short`` jobs are
    canceled while they wait: half as many jobs as commits.
    """
    chance = random.Random(seed)
    jobs: list[JobSoFar] = []
    step = timedelta(days=SPAN_DAYS) / commits
    number, batch = 0, list[Entry]()
    for position in range(1, commits + 1):
        while len(jobs) < AT_ONCE:
            number += 1
            jobs.append(JobSoFar(chance, number, short))
        index = chance.randrange(AT_ONCE)
        job = jobs[index]
        batch.append(Entry(position, job.subject, job.commit(chance, START + step * position)))
        if not job.left:
            jobs[index] = jobs[-1]
            jobs.pop()
        if len(batch) == BATCH or position == commits:
            yield batch
            batch = []
