"""Bugs planted into a copy of the product: a harness that does not catch them catches nothing.

Each changes a few lines of a copy of ``libs`` and ``services``; the product itself is never touched. A change
whose place is not found exactly once is an error: the product has moved on, and the bug must be planted anew.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.system.installation import SOURCES

WRITER = "libs/treering/kernel/writer.py"
JOB = "libs/treering/domain/job.py"
RUNNER = "services/treering_services/executor/runner.py"
EXECUTOR = "services/treering_services/executor/node.py"
SPAWNER = "libs/treering/adapters/spawner.py"
FENCE, NOTHING = "            attempt.fenced.set()", "            pass"
VIEW = "libs/treering/adapters/sqlite_view.py"


@dataclass(frozen=True)
class Change:
    path: str
    old: str
    new: str


@dataclass(frozen=True)
class Bug:
    name: str
    changes: tuple[Change, ...]


NO_FENCE = Bug(
    "no fence: any attempt may report, and the executor does not end what it has lost",
    (
        Change(
            JOB,
            "    if job.attempt != command.attempt or job.node != command.node or job.status not in HELD:",
            "    if job.status not in HELD:",
        ),
        Change(
            JOB, "    if job.attempt != command.attempt or job.status not in HELD:", "    if job.status not in HELD:"
        ),
        Change(
            EXECUTOR, "            attempt.fenced.set()\n\n    def fence_all", "            pass\n\n    def fence_all"
        ),
        Change(
            EXECUTOR,
            "            attempt.fenced.set()\n\n    async def finish_tasks",
            "            pass\n\n    async def finish_tasks",
        ),
    ),
)
NO_SWEEP = Bug(
    "no sweep: only the main process of a job is killed",
    (
        Change(
            SPAWNER,
            "            gone = self.containment.strike(job.group, job.pid)\n",
            "            gone = True\n",
        ),
        Change(
            SPAWNER,
            "        while not self.jobs and not self.containment.strike_strays() and time.monotonic() < until:\n",
            "        while not self.jobs and time.monotonic() < 0.0 * until:\n",
        ),
    ),
)
CHECKPOINT_OUTSIDE = Bug(
    "rows and checkpoint of a view in two transactions, and a crash between them",
    (
        Change(
            VIEW,
            '        db.execute("UPDATE checkpoint',
            '        db.execute("COMMIT")\n        crash_once()\n'
            '        db.execute("BEGIN IMMEDIATE")\n        db.execute("UPDATE checkpoint',
        ),
        Change(
            VIEW,
            "def read_checkpoint(db",
            'def crash_once() -> None:\n    import os\n    try:\n        os.unlink(os.environ["CRASH_FILE"])\n'
            "    except OSError:\n        return\n    os.kill(os.getpid(), 9)\n\n\ndef read_checkpoint(db",
        ),
    ),
)
NO_DEDUPE = Bug(
    "no read-back: a command that is said again is a new one",
    (
        Change(WRITER, "                if earlier == id:", "                if False:"),
        Change(
            WRITER,
            "        id = commit_id(subject, context.command_id)\n",
            '        id = __import__("secrets").token_hex(16)\n',
        ),
    ),
)
START_BEFORE_CLAIM = Bug(
    "the command goes before its start is in the log",
    (
        Change(
            RUNNER,
            "    async def claim_start(self, attempt: Attempt) -> bool:\n",
            "    async def claim_start(self, attempt: Attempt) -> bool:\n"
            "        if attempt.running is not None:\n            attempt.running.go()\n",
        ),
    ),
)


def plant(bug: Bug, folder: Path) -> Path:
    """A copy of the product with ``bug`` in it, below ``folder``."""
    for part in ("libs", "services"):
        shutil.copytree(SOURCES / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for change in bug.changes:
        file = folder / change.path
        text = file.read_text()
        if text.count(change.old) != 1:
            raise AssertionError(f"{bug.name}: {change.path} has {text.count(change.old)} times {change.old!r}")
        file.write_text(text.replace(change.old, change.new))
    return folder
