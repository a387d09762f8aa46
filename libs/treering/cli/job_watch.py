"""Watching a job: its console as it is written, its stages, and in the end an exit code.

The console goes to standard output; everything else goes to standard error, or on a terminal into a display
that stays below the lines. Ctrl-C ends the watching, not the job.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from treering.cli.job_models import said_of_models
from treering.cli.lazy import Verb
from treering.cli.names import named
from treering.cli.session import Session
from treering.cli.shapes import duration_seconds, failure
from treering.cli.stages import Stages
from treering.cli.terminal import put
from treering.cli.times import human
from treering.client.sse import messages

if TYPE_CHECKING:
    from treering.client.http import Client

INTERRUPTED = 130


@click.command("stream", cls=Verb)
@named
@click.pass_context
def stream(context: click.Context, name: str) -> None:
    """Watch a job until it ends; exit 0 only when it is Completed."""
    session = context.ensure_object(Session)
    with session.client() as client:
        context.exit(watch(session, client, name))


def watch(session: Session, client: Client, name: str) -> int:
    """Show the console of a job until it ends: 0 when it is Completed, 1 otherwise, 130 when interrupted."""
    path = session.path("job", name)
    job = client.get(path)
    try:
        follow(session, client, path, job)
        job = client.get(path)
        for line in said_of_models(session, client, job):
            put(line, file=sys.stderr)
    except KeyboardInterrupt:
        put(f"\nno longer watching; the job goes on: treering job stream {name}", file=sys.stderr)
        return INTERRUPTED
    return concluded(job)


def follow(session: Session, client: Client, path: str, job: dict[str, Any]) -> None:
    if sys.stdout.isatty() and sys.stderr.isatty():
        from treering.cli.progress import Display

        display: Stages = Display(job)
    else:
        display = Stages(job)
    attempt = 0
    with display, display.following(session):
        for message in messages(client, f"{path}/logs?follow=true"):
            said = json.loads(message.data)
            if message.event == "end":
                return
            if message.event == "log":
                if attempt not in (0, said["attempt"]):
                    display.note(f"attempt {attempt} is over; attempt {said['attempt']} begins")
                attempt = said["attempt"]
                display.write(said["text"])


def concluded(job: dict[str, Any]) -> int:
    """Say how it ended; the exit code that tells it to programs."""
    ran = duration_seconds(job)
    after = f" after {human(ran)}" if ran is not None else ""
    why = failure(job)
    if not why:
        put(f"job {job['name']} is Completed{after}", file=sys.stderr)
        return 0
    put(f"error: job {job['name']} is {job['status']}{after}: {why}", file=sys.stderr)
    return 1
