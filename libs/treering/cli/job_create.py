"""``job create``: read the YAML, upload what is new, submit; with ``--stream``, watch it to its end."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from treering.cli.az_options import no_pages, passed_over
from treering.cli.job_wait import ask_for_node
from treering.cli.lazy import Verb
from treering.cli.names import sets_option
from treering.cli.people import names_of
from treering.cli.session import Session
from treering.cli.shapes import shape
from treering.cli.terminal import put


@click.command("create", cls=Verb)
@click.option("-f", "--file", "file", required=True, type=click.Path(path_type=Path), help="The YAML of the job.")
@sets_option()
@click.option("-n", "--name", default="", help="Stands before the name in the YAML.")
@click.option("--stream", "-s", "watched", is_flag=True, help="Watch it until it ends; exit 0 only when Completed.")
@click.option(
    "--secret", "secrets", multiple=True, metavar="NAME|NAME=VALUE",
    help="A secret environment variable, by its name from the environment of this command; may be repeated.",
)  # fmt: skip
@no_pages
@passed_over("the job is kept here; `treering job show` says all of it", "--save-as|-a")
@passed_over("nothing is submitted that cannot run", flags=("--skip-validation",))
@click.pass_context
def create(
    context: click.Context,
    file: Path,
    sets: tuple[str, ...],
    name: str,
    watched: bool,
    secrets: tuple[str, ...],
) -> None:
    """Submit a job from its YAML."""
    from treering.client.submission import submit
    from treering.specs.job_draft import with_secrets
    from treering.specs.prepared import load_job

    session = context.ensure_object(Session)
    draft = with_secrets(load_job(file, sets), secrets, os.environ)
    with session.client() as client:
        submitted = submit(client, draft, session.workspace, name)
        for note in submitted.resource["state"]["spec"].get("notes", ()):
            put(f"note: {note}", file=sys.stderr)
        if not watched:
            if why := ask_for_node(session, client, submitted.resource):
                put(f"note: {why}", file=sys.stderr)
            session.show(shape(submitted.resource, names_of(session.home)))
            return
        from treering.cli.job_watch import watch

        context.exit(watch(session, client, submitted.resource["name"]))
