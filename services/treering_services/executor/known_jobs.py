"""The jobs that may be assigned to this node next, as its executor has seen them go by in the log."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from treering.domain.job import JOB, TERMINAL, Job
from treering.domain.job_messages import JobEvent
from treering.kernel.subjects import Address

KNOWN_MAX = 1000
COMMIT_BYTES_MAX = 64 * 1024  # a job with a longer one is read from the log: what is kept is bounded in bytes too


class KnownJobs:
    """Spares a read of the log for each job: its submission came by a moment ago.

    A job is known from its first commit on and without a gap, or not at all. Those that are over are forgotten,
    and of too many those that did not change for longest.
    """

    def __init__(self) -> None:
        self.jobs: OrderedDict[Address, tuple[int, Job]] = OrderedDict()

    def fold(self, address: Address, version: int, events: Sequence[JobEvent], size_bytes: int) -> Job | None:
        """The job after its commit ``version`` of that size; None when an earlier one was not seen."""
        seen, job = self.jobs.pop(address, (0, JOB.initial))
        if seen != version - 1 or size_bytes > COMMIT_BYTES_MAX:
            return None
        job = JOB.fold(events, job)
        if job.status not in TERMINAL:
            self.jobs[address] = (version, job)
            if len(self.jobs) > KNOWN_MAX:
                self.jobs.popitem(last=False)
        return job
