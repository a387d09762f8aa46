"""``job create``: read the YAML, upload what is new, submit; with ``--stream``, watch it to its end."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from treering.cli.az_options import no_pages, passed_over
from treering.cli.job_wait import ask_for_node
from treering.cli.lazy import Verb
from treering.cli.names import sets_option
from treering.cli.notes import note
from treering.cli.output import as_yaml
from treering.cli.people import names_of
from treering.cli.session import Session
from treering.cli.shapes import Shape, shape
from treering.kernel.refusal import Refused

if TYPE_CHECKING:
    from treering.specs.job_draft import JobDraft

SAVED = (
    "name", "type", "status", "display_name", "experiment_name", "description", "compute", "command", "environment",
    "environment_variables", "inputs", "outputs", "resources", "limits", "identity", "network", "tags",
    "creation_context",
)  # fmt: skip
INPUT = ("type", "mode", "path")
NAMES_MAX = 10


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
@click.option("--save-as", "-a", "kept", type=click.Path(path_type=Path), help="Write the job there, as YAML.")
@passed_over("nothing is submitted that cannot run", flags=("--skip-validation",))
@click.pass_context
def create(
    context: click.Context,
    file: Path,
    sets: tuple[str, ...],
    name: str,
    watched: bool,
    secrets: tuple[str, ...],
    kept: Path | None,
) -> None:
    """Submit a job from its YAML."""
    from treering.client.submission import submit
    from treering.specs.job_draft import with_secrets
    from treering.specs.prepared import load_job

    session = context.ensure_object(Session)
    check_writable(kept)
    draft = with_secrets(load_job(file, sets, [one.partition("=")[0] for one in secrets]), secrets, os.environ)
    with session.client() as client:
        submitted = submit(client, draft, session.workspace, name)
        if submitted.was_there:
            said = f"job {submitted.resource['name']} is there already, the same, and is {submitted.resource['status']}"
            note(f"{said}: nothing was submitted; another name (-n) runs it again")
        for one in submitted.resource["state"]["spec"].get("notes", ()):
            note(one)
        shown = shape(submitted.resource, names_of(session.home))
        if kept is not None:
            kept.write_text(as_yaml(saved(shown, draft)), encoding="utf-8")
            note_unsaved(kept, shown, draft)
        if not watched:
            if why := ask_for_node(session, client, submitted.resource):
                note(why)
            session.show(shown)
            return
        from treering.cli.job_watch import watch

        context.exit(watch(session, client, submitted.resource["name"]))


def saved(shown: Shape, draft: JobDraft) -> Shape:
    """The job as a YAML that can be submitted again from this machine."""
    kept = {name: shown[name] for name in SAVED if shown.get(name) not in (None, "", {})}
    if draft.code is not None:
        kept["code"] = str(draft.code.resolve())
    for name, given in kept.get("inputs", {}).items():
        if isinstance(given, dict):
            here = {"path": str(draft.local_inputs[name].resolve())} if name in draft.local_inputs else {}
            kept["inputs"][name] = {key: one for key, one in {**given, **here}.items() if key in INPUT}
    if isinstance(shown["environment"], dict):
        kept["environment"] = {name: one for name, one in shown["environment"].items() if name != "source"}
    secret = unsaved(shown, draft)
    public = [name for name in draft.public_variables if name not in secret]
    named = {"secret_variables": list(dict.fromkeys([*draft.secret_variables, *secret])), "public_variables": public}
    return {**kept, **{key: names for key, names in named.items() if names}}


def unsaved(shown: Shape, draft: JobDraft) -> list[str]:
    """The sealed variables that the saved YAML has no values for. Those of a registered environment come with it."""
    of_environment = isinstance(shown["environment"], str)
    sealed = shown.get("secret_variables", {})
    return [name for name in sorted(sealed) if name in draft.environment_variables or not of_environment]


def note_unsaved(file: Path, shown: Shape, draft: JobDraft) -> None:
    if names := unsaved(shown, draft):
        more = f" and {len(names) - NAMES_MAX} more" if len(names) > NAMES_MAX else ""
        options = " ".join(f"--secret {name}" for name in names[:NAMES_MAX])
        note(f"{file} has the names of secret variables and not their values: submit it again with {options}{more}")


def check_writable(file: Path | None) -> None:
    """Before the job is submitted: afterwards it would run, and whoever was refused would submit it again."""
    if file is None:
        return
    if file.is_dir() or not os.access(file if file.exists() else file.parent, os.W_OK):
        raise Refused("file.unwritable", f"--save-as {str(file)!r} cannot be written; nothing was submitted")
