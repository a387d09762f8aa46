"""The stages of a job that is being watched, followed from its events in a thread of their own."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self
from urllib.parse import urlencode

from treering.cli.session import Session
from treering.client.errors import ApiError, Unreachable
from treering.client.http import LOST
from treering.client.sse import messages

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


class Stages:
    """The plain form: console text goes through as it is, a new status is a line on standard error."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.job = job
        self.since: list[tuple[str, str]] = [(status, since) for status, since in job["timeline"]]

    def __enter__(self) -> Self:
        self.note(f"job {self.job['name']} is {self.job['status']}")
        return self

    def __exit__(self, *_: object) -> None:
        sys.stdout.flush()

    def write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    def note(self, line: str) -> None:
        print(f"treering: {line}", file=sys.stderr, flush=True)

    def reached(self, status: str, at: str) -> None:
        """The job is in a new status since ``at``."""
        self.since.append((status, at))
        self.note(status)

    @contextmanager
    def following(self, session: Session) -> Iterator[None]:
        """Hear of new statuses until the block ends. Watching goes on without them when that fails."""
        thread = threading.Thread(target=self.hear, args=(session,), daemon=True)
        thread.start()
        yield

    def hear(self, session: Session) -> None:
        fields = {"ws": session.workspace, "kind": "job", "name": self.job["name"], "since": self.job["position"]}
        try:
            with session.client() as client:
                for message in messages(client, f"/v1/events?{urlencode(fields)}&follow=true"):
                    if status := STATUSES.get(message.event):
                        self.reached(status, json.loads(message.data).get("time", ""))
                    if message.event in ("job.completed", "job.failed", "job.canceled"):
                        return
        except (ApiError, Unreachable, ValueError, *LOST) as error:
            self.note(f"its stages are not known any more: {error}")
