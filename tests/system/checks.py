"""The invariants I1, I3, I4, I7, I8 and I9, judged from what was seen outside: log, marks, processes, answers.

I5 is judged by ``views``, I10 by ``rude``. A violation is a sentence that begins with its invariant. The checkers
decode events as plain data and fold them by themselves: a mistake in the product's own fold cannot hide itself here.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.system.history import events_of, job_address
from tests.system.http_client import Acknowledged
from tests.system.installation import Installation
from tests.system.work import MARK_VARIABLE, mark_of

from treering.domain.job import TERMINAL
from treering.kernel.log import Entry
from treering.kernel.subjects import address_of

Violations = list[str]
GONE_SECONDS_MAX = 2.0
POLL_SECONDS = 0.02
TERMINAL_EVENTS = frozenset({"job.completed", "job.failed", "job.canceled"})
FAILURES = {"fails": "exit_code", "timeout": "timeout", "drips": "timeout"}  # how a job of which kind of work may fail
ATTEMPT_EVENTS = TERMINAL_EVENTS | {"job.started", "job.finalizing", "job.lost"}


class Mark(NamedTuple):
    what: str  # "start" or "beat"
    job: str
    attempt: int
    at_seconds: float


def judge(installation: Installation) -> Violations:
    entries = installation.history.entries
    marks = read_marks(installation.marks)
    return [
        *judge_log(entries),
        *judge_acknowledged(entries, installation.acknowledged),
        *judge_jobs(entries),
        *judge_starts(entries, marks),
        *judge_overlap(marks),
        *judge_causes(entries),
    ]


def judge_log(entries: Sequence[Entry]) -> Violations:
    """I1, I2: no gap, each aggregate's versions and hashes are a chain, and a command is stored once."""
    found: Violations = []
    last: dict[str, tuple[int, str]] = {}
    commands: set[tuple[str, str]] = set()
    for due, entry in enumerate(entries, start=1):
        if entry.position != due:
            return [*found, f"I1: position {entry.position} came where {due} was due"]
        commit = entry.commit()
        version, prev = last.get(entry.subject, (0, ""))
        if (commit.version, commit.prev) != (version + 1, prev):
            found.append(f"I2: position {due} ({entry.subject}) does not continue version {version}")
        if (entry.subject, commit.command_id) in commands:
            found.append(f"I1: command {commit.command_id} is stored twice, again at {due} ({entry.subject})")
        commands.add((entry.subject, commit.command_id))
        last[entry.subject] = (commit.version, entry.hash())
    return found


def judge_acknowledged(entries: Sequence[Entry], acknowledged: Sequence[Acknowledged]) -> Violations:
    """I1: what a client was told is in the log, at the position it was told."""
    found: Violations = []
    for said in acknowledged:
        if not 1 <= said.position <= len(entries):
            found.append(f"I1: {said} was acknowledged, the log has {len(entries)} positions")
            continue
        entry = entries[said.position - 1]
        if entry.subject != job_address(said.job).subject:
            found.append(f"I1: {said} was acknowledged, there stands {entry.subject}")
        elif said.changed and not entry.commit().command_id.endswith(f":{said.key}"):
            found.append(f"I1: {said} was acknowledged, there stands command {entry.commit().command_id}")
    return found


def judge_jobs(entries: Sequence[Entry]) -> Violations:
    """I3, I8: one start an attempt, one end a job, and nobody but the attempt that is assigned says anything."""
    found: Violations = []
    attempt: dict[str, int] = {}
    open_attempts: set[str] = set()
    ended: set[str] = set()
    starts: Counter[tuple[str, int]] = Counter()
    for entry in entries:
        address = address_of(entry.subject)
        for event in events_of(entry) if address.kind == "job" else ():
            type, said = str(event["type"]), int(str(event.get("attempt", 0)))
            where = f"{type} of attempt {said} at {entry.position} (job {address.key})"
            if address.key in ended and type in ATTEMPT_EVENTS | {"job.assigned"}:
                found.append(f"I8: {where} after the job had ended")
            if type == "job.assigned":
                if address.key in open_attempts or said != attempt.get(address.key, 0) + 1:
                    found.append(f"I8: {where} while attempt {attempt.get(address.key, 0)} is not over")
                attempt[address.key] = said
                open_attempts.add(address.key)
            elif type in ATTEMPT_EVENTS:
                # A job that is canceled in the queue, or lost too often, ends with no attempt under way.
                holds = address.key in open_attempts and said == attempt.get(address.key, 0)
                if (
                    not holds
                    and type != "job.canceled"
                    and not (type == "job.failed" and event.get("code") == "node_lost")
                ):
                    found.append(f"I8: {where} while attempt {attempt.get(address.key, 0)} is the one that counts")
            if type == "job.started":
                starts[(address.key, said)] += 1
            if type == "job.lost":
                open_attempts.discard(address.key)
            if type in TERMINAL_EVENTS:
                ended.add(address.key)
                open_attempts.discard(address.key)
    return found + [f"I3: attempt {key} has {count} job.started" for key, count in starts.items() if count > 1]


def judge_causes(entries: Sequence[Entry]) -> Violations:
    """I9: a job fails for what its own command did, or because too many of its attempts were lost; never because a
    process of ours was killed. The kind of its work is the end of its name."""
    found: Violations = []
    for entry in entries:
        address = address_of(entry.subject)
        for event in events_of(entry) if address.kind == "job" else ():
            kind = address.key.rpartition("-")[2]
            if event["type"] == "job.failed" and event["code"] not in (FAILURES.get(kind), "node_lost"):
                found.append(f"I9: job {address.key} failed at {entry.position}: {event['code']}: {event['message']}")
    return found


def judge_starts(entries: Sequence[Entry], marks: Sequence[Mark]) -> Violations:
    """I3: at most one effect an attempt, and none without its claim in the log."""
    claimed = {
        (address_of(entry.subject).key, int(str(event["attempt"])))
        for entry in entries
        for event in (events_of(entry) if ".job." in entry.subject else ())
        if event["type"] == "job.started"
    }
    counts = Counter((mark.job, mark.attempt) for mark in marks if mark.what == "start")
    return [f"I3: attempt {key} ran {count} times" for key, count in counts.items() if count > 1] + [
        f"I3: attempt {key} ran without a job.started in the log" for key in counts if key not in claimed
    ]


def judge_overlap(marks: Sequence[Mark]) -> Violations:
    """I3: an attempt is dead before the next one begins."""
    begun: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for mark in marks:
        if mark.what == "start":
            begun[mark.job].append((mark.attempt, mark.at_seconds))
    return [
        f"I3: attempt {mark.attempt} of {mark.job} still ran {mark.at_seconds - at:.3f} s after attempt {later} began"
        for mark in marks
        for later, at in begun[mark.job]
        if later > mark.attempt and mark.at_seconds > at
    ]


def read_marks(path: Path) -> list[Mark]:
    marks = []
    for line in path.read_text().splitlines():
        what, job, attempt, at = line.split()
        marks.append(Mark(what, job, int(attempt), float(at.replace(",", "."))))
    return marks


async def judge_processes(installation: Installation) -> Violations:
    """I7: two seconds after its end nothing of a job is alive."""
    finished = {name for name, job in installation.history.jobs.items() if job.status in TERMINAL}
    left = processes_of(installation, finished)
    try:
        async with asyncio.timeout(GONE_SECONDS_MAX):
            while left:
                await asyncio.sleep(POLL_SECONDS)  # Nobody reports the end of a process that is not our child.
                left = processes_of(installation, finished)
    except TimeoutError:
        pass
    return [f"I7: process {pid} of the finished job {job} is alive: {what}" for pid, job, what in left]


def processes_of(installation: Installation, jobs: set[str]) -> list[tuple[int, str, str]]:
    """Every process with the variable of one of ``jobs`` in its environment: (pid, job, command line)."""
    found = []
    prefix = f"{MARK_VARIABLE}={mark_of(installation.marks, '')}".encode()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            variables = (folder / "environ").read_bytes().split(b"\0")
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        for variable in variables:
            if variable.startswith(prefix) and (job := variable.removeprefix(prefix).decode()) in jobs:
                found.append((int(folder.name), job, command))
    return found
