"""The stages of a job that is being watched, followed from its events in a thread of their own."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Self
from urllib.parse import urlencode

from treering.cli.job_wait import ask_why_waiting
from treering.cli.session import Session
from treering.cli.terminal import put
from treering.client.errors import ApiError, Unreachable
from treering.client.http import LOST
from treering.client.sse import messages
from treering.kernel.shared_limits import THIS_LOG

STAGES = ("Queued", "Preparing", "Running", "Finalizing")
STATUSES = {
    "job.submitted": "Queued",
    "job.assigned": "Preparing",
    "job.started": "Running",
    "job.finalizing": "Finalizing",
    "job.lost": "Queued",
    "job.cancel_requested": "CancelRequested",
    "job.completed": "Completed",
    "job.failed": "Failed",
    "job.canceled": "Canceled",
}
WAITING = ("Queued", "Preparing")
WAITING_LOOK_SECONDS = 3.0
RESET = "\x1b[0m"


def shown_as_one() -> bool:
    """Whether standard output and standard error are the same file, pipe or terminal."""
    try:
        return os.path.sameopenfile(sys.stdout.fileno(), sys.stderr.fileno())
    except (OSError, ValueError):
        return False


class Stages:
    """The plain form: console text goes through as it is, a new status is a line on standard error."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.job = job
        self.coloured = False
        self.since: list[tuple[str, str]] = [(status, since) for status, since in job["timeline"]]
        self.mid_line = False  # what the job wrote last has no end yet
        self.over = threading.Event()

    def __enter__(self) -> Self:
        self.note(f"job {self.job['name']} is {self.job['status']}")
        return self

    def __exit__(self, *_: object) -> None:
        self.end_line()
        if self.coloured and sys.stdout.isatty():
            put(RESET, end="", console=True)  # what comes after is not the job's to colour
        sys.stdout.flush()

    def write(self, text: str) -> None:
        self.coloured |= "\x1b[" in text
        put(text, end="", flush=True, console=True)
        self.mid_line = not text.endswith("\n") if text else self.mid_line

    def end_line(self) -> None:
        """Where both streams are shown as one, ours would go on in a line of the job."""
        if self.mid_line and shown_as_one():
            put(flush=True)
            self.mid_line = False

    def note(self, line: str) -> None:
        self.end_line()
        put(f"treering: {line}", file=sys.stderr, flush=True)

    def reached(self, status: str, at: str) -> None:
        """The job is in a new status since ``at``."""
        self.since.append((status, at))
        self.note(status)

    @contextmanager
    def following(self, session: Session) -> Iterator[None]:
        """Hear of new statuses until the block ends. Watching goes on without them when that fails."""
        for follow in (self.hear, self.tell_why_it_waits):
            threading.Thread(target=follow, args=(session,), daemon=True).start()
        try:
            yield
        finally:
            self.over.set()

    def tell_why_it_waits(self, session: Session) -> None:
        """While the job waits for a slot or a node: each reason once."""
        told = {""}
        with suppress(ApiError, Unreachable, ValueError, *LOST), session.client() as client:
            while not self.over.wait(WAITING_LOOK_SECONDS):
                if self.since and self.since[-1][0] not in WAITING:
                    continue
                why = ask_why_waiting(session, client, self.job["name"])
                if why not in told and not self.over.is_set():
                    told.add(why)
                    self.note(why)

    def hear(self, session: Session) -> None:
        fields = {
            "ws": session.workspace,
            "kind": "job",
            "name": self.job["name"],
            "since": f"{THIS_LOG}:{self.job['position']}",
        }
        try:
            with session.client() as client:
                for message in messages(client, f"/v1/events?{urlencode(fields)}&follow=true"):
                    if status := STATUSES.get(message.event):
                        self.reached(status, json.loads(message.data).get("time", ""))
                    if message.event in ("job.completed", "job.failed", "job.canceled"):
                        return
        except (ApiError, Unreachable, ValueError, *LOST) as error:
            self.note(f"its stages are not known any more: {error}")
