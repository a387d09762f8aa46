"""``job update``, ``cancel``, ``archive`` and ``restore``."""

from __future__ import annotations

from itertools import islice

import click

from treering.cli.az_options import at_once, no_lists, no_pages
from treering.cli.job_submitted import submitted_by
from treering.cli.lazy import Verb
from treering.cli.names import named, sets_option
from treering.cli.notes import note
from treering.cli.people import names_of
from treering.cli.session import Session
from treering.cli.shapes import TERMINAL, Shape, shape

SHOWN_MAX = 5


def sent(session: Session, name: str, command: str, body: dict[str, object]) -> Shape:
    """Send a command about a job, and show the job with its effect."""
    with session.client() as client:
        written = client.post(session.path("job", name, command), body)
        found = client.get(session.path("job", name), after=written["position"])
    session.show(shape(found, names_of(session.home)))
    job: Shape = found
    return job


@click.command("update", cls=Verb)
@named
@sets_option(required=True)
@no_lists
@no_pages
@click.pass_obj
def update(session: Session, name: str, sets: tuple[str, ...]) -> None:
    """Change its display name, description or tags."""
    from treering.specs.changes import changed_texts

    with session.client() as client:
        spec = client.get(session.path("job", name))["state"].get("spec") or {}
    sent(session, name, "update", {**changed_texts(sets, spec.get("tags", {}), ("display_name", "description"))})


@click.command("cancel", cls=Verb)
@named
@click.option("--reason", default="", help="Kept with the job.")
@click.option("--with-submitted", is_flag=True, help="And the jobs that its script submitted, and theirs.")
@at_once
@click.pass_obj
def cancel(session: Session, name: str, reason: str, with_submitted: bool) -> None:
    """Ask that a job ends; one that runs is given the time to stop."""
    body: dict[str, object] = {"reason": reason} if reason else {}
    job = sent(session, name, "cancel", body)
    if job["status"] in TERMINAL and job["status"] != "Canceled":
        note(f"job {name} has ended already ({job['status']}): there is nothing to cancel")
    if job["state"].get("spec", {}).get("identity") != "user_identity":
        return  # it could submit nothing
    with session.client() as client:
        if with_submitted:
            for one in submitted_by(session, client, name):
                client.post(session.path("job", one, "cancel"), body)
                note(f"job {one}, which it submitted, is canceled too")
        elif going := list(islice(submitted_by(session, client, name), SHOWN_MAX + 1)):
            more = " and more" if len(going) > SHOWN_MAX else ""
            said = f"{', '.join(going[:SHOWN_MAX])}{more}"
            note(f"jobs that it submitted go on: {said}; --with-submitted cancels them too")


@click.command("archive", cls=Verb)
@named
@click.pass_obj
def archive(session: Session, name: str) -> None:
    """Hide a job from lists; nothing of it is lost."""
    sent(session, name, "archive", {})


@click.command("restore", cls=Verb)
@named
@click.pass_obj
def restore(session: Session, name: str) -> None:
    """Show a job in lists again."""
    sent(session, name, "restore", {})
