"""``treering webhook``: addresses that are told of events."""

from __future__ import annotations

import secrets
from typing import Any

import click

from treering.cli.kinds import Kind, group_of, said
from treering.cli.moments import SINCE, position_at
from treering.cli.names import named
from treering.cli.notes import first
from treering.cli.session import Session

WEBHOOK = Kind(
    "webhook", "Addresses that are told of events, signed, until they have taken them.", ("pause", "resume", "delete"),
    ("status", "url", "kind", "types"),
)  # fmt: skip
webhook = group_of(WEBHOOK)


@webhook.command("create", help="Create a webhook and show its secret, this once.")
@named
@click.option("--url", required=True, help="Where to POST to.")
@click.option("--kind", default="", help="Only events about this kind.")
@click.option("--resource", default="", metavar="NAME", help="Only about this one; needs --kind.")
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Only this type, or job.*, *.failed. Repeatable.")
@click.option(
    "--body", type=click.Choice(["cloudevents", "eventgrid", "mlflow"]), default="cloudevents", show_default=True
)
@click.option(
    "--since",
    type=SINCE,
    metavar="ID|POSITION|now|AGO",
    default="now",
    show_default=True,
    help="Begin behind it; 0 is all.",
)
@click.option("--max-attempts", type=click.IntRange(1, 20), default=8, show_default=True)
@click.option("--timeout", type=click.IntRange(1, 30), default=10, show_default=True, help="Seconds for one attempt.")
@click.option("--description", default="")
@click.pass_obj
def create(
    session: Session, /, since: str, max_attempts: int, timeout: int, types: tuple[str, ...], **more: Any
) -> None:
    body = {**more, "types": list(types), "attempts_max": max_attempts, "timeout_seconds": timeout}
    with session.client() as client:
        if since != "now":
            body["since"] = position(position_at(client, since))
        made = client.post(session.path("webhook"), body)
    note = "keep it: it is not shown again" if made["secret"] else "it was there already; its secret is not shown again"
    session.show({"name": made["name"], "secret": made["secret"], "note": note})


@webhook.command("update", help="Change where it leads, what it is told of, or how patient it is.")
@named
@click.option("--url")
@click.option("--type", "types", multiple=True, metavar="TYPE", help="In place of all there were. Repeatable.")
@click.option("--max-attempts", type=click.IntRange(1, 20))
@click.option("--timeout", type=click.IntRange(1, 30))
@click.option("--description")
@click.pass_obj
def update(
    session: Session,
    name: str,
    url: str | None,
    types: tuple[str, ...],
    max_attempts: int | None,
    timeout: int | None,
    description: str | None,
) -> None:
    asked = {
        "url": url, "types": list(types) or None, "attempts_max": max_attempts, "timeout_seconds": timeout,
        "description": description,
    }  # fmt: skip
    body = {field: value for field, value in asked.items() if value is not None}
    with session.client() as client:
        said(session, client, WEBHOOK, name, "update", body)


@webhook.command("test", help="Send it one message that is no event, and say what it answered.")
@named
@click.pass_context
def test(context: click.Context, name: str) -> None:
    session = context.ensure_object(Session)
    with session.client() as client:
        answer = client.post(session.path("webhook", name, "test"), {})
    session.show(answer)
    context.exit(0 if answer["ok"] else 1)


@webhook.command("replay", help="Send it everything behind a position again.")
@named
@click.option("--since", type=SINCE, required=True, metavar="ID|POSITION|AGO", help="0 is everything there ever was.")
@click.pass_obj
def replay(session: Session, name: str, since: str) -> None:
    with session.client() as client:
        body = {"since": position(position_at(client, since)), "request": secrets.token_hex(8)}
        said(session, client, WEBHOOK, name, "replay", body)


@webhook.command("delivery", help="How far it is: delivered, to be tried again, dead.")
@named
@click.pass_obj
def delivery(session: Session, name: str) -> None:
    with session.client() as client:
        session.show(client.get(session.path("webhook", name, "delivery")))


@webhook.command("dead", help="The events it was not able to deliver, oldest first.")
@named
@click.option("--max-results", "-r", type=click.IntRange(min=1), default=100, show_default=True)
@click.pass_obj
def dead(session: Session, name: str, max_results: int) -> None:
    with session.client() as client:
        found = first(session.listed(client, session.path("webhook", name, "dead"), max_results + 1), max_results)
    session.table(found, {"Id": "id", "Attempts": "attempts", "Given up": "given_up_at", "Why": "why"})


@webhook.command("redeliver", help="Try dead events again: those named, or all.")
@named
@click.option("--id", "ids", multiple=True, help="Of the dead list. Repeatable.")
@click.option("--all", "all_", is_flag=True, help="All of them.")
@click.pass_obj
def redeliver(session: Session, name: str, ids: tuple[str, ...], all_: bool) -> None:
    if bool(ids) == all_:
        raise click.UsageError("say which: --id ID, or --all")
    with session.client() as client:
        session.show(client.post(session.path("webhook", name, "redeliver"), {"ids": list(ids)}))


@webhook.command("rotate-secret", help="Give it a new secret, and show it this once.")
@named
@click.option(
    "--overlap", type=click.IntRange(0, 30 * 86_400), metavar="SECONDS",
    help="Sign with the old one too for so long; 0 is not at all.  [default: a day]",
)  # fmt: skip
@click.pass_obj
def rotate_secret(session: Session, name: str, overlap: int | None) -> None:
    with session.client() as client:
        body = {} if overlap is None else {"overlap_seconds": overlap}
        made = client.post(session.path("webhook", name, "secret"), body)
    session.show({"name": made["name"], "secret": made["secret"], "previous_until": made["previous_until"]})


def position(text: str) -> int | str:
    """A number, or the id of an event as it is."""
    from treering.kernel.epochs import read_id

    if read_id(text) is None or len(text) > 300:
        raise click.UsageError(
            f"--since {text!r}: write a position, such as 0 or 1234, the id of an event, or a time such as -1h"
        )
    return int(text) if text.isdecimal() else text
