"""``job update``, ``cancel``, ``archive`` and ``restore``."""

from __future__ import annotations

import click

from treering.cli.lazy import Verb
from treering.cli.names import changes, named
from treering.cli.people import names_of
from treering.cli.session import Session
from treering.cli.shapes import shape


def sent(session: Session, name: str, command: str, body: dict[str, object]) -> None:
    """Send a command about a job and show the job with its effect."""
    with session.client() as client:
        written = client.post(session.path("job", name, command), body)
        found = client.get(session.path("job", name), after=written["position"])
    session.show(shape(found, names_of(session.home)))


@click.command("update", cls=Verb)
@named
@click.option("--set", "sets", multiple=True, required=True, metavar="PATH=VALUE", help="Such as tags.team=blue.")
@click.pass_obj
def update(session: Session, name: str, sets: tuple[str, ...]) -> None:
    """Change its display name, description or tags."""
    with session.client() as client:
        spec = client.get(session.path("job", name))["state"].get("spec") or {}
    sent(session, name, "update", changes(sets, spec.get("tags", {})))


@click.command("cancel", cls=Verb)
@named
@click.option("--reason", default="", help="Kept with the job.")
@click.pass_obj
def cancel(session: Session, name: str, reason: str) -> None:
    """Ask that a job ends; one that runs is given the time to stop."""
    sent(session, name, "cancel", {"reason": reason} if reason else {})


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
