"""``treering diff``: what changed between two moments, field by field, by whom and why."""

from __future__ import annotations

from typing import Any

import click

from treering.cli.history import history_path
from treering.cli.lazy import Verb
from treering.cli.moments import MOMENT
from treering.cli.notes import MORE, first
from treering.cli.output import shown
from treering.cli.people import names_of
from treering.cli.session import Session

FIELDS = {
    "Of": "of", "Field": "path", "From": "before", "To": "after", "By": "by", "At": "at", "Because": "because_of",
    "Position": "position",
}  # fmt: skip
RESOURCES_MAX = 1000


@click.command("diff", cls=Verb)
@click.argument("resource", metavar="KIND/NAME|workspace")
@click.option(
    "--from", "since", type=MOMENT, metavar="POSITION|TIME|AGO", default="0", help="The default is the beginning."
)
@click.option("--to", "until", type=MOMENT, metavar="POSITION|TIME|AGO", help="The default is now.")
@click.option("--kind", help="Of a workspace: only this kind.")
@click.option("--max-results", "-r", type=click.IntRange(min=1), default=100, show_default=True)
@click.pass_obj
def diff(session: Session, resource: str, since: str, until: str | None, kind: str | None, max_results: int) -> None:
    """What changed in a resource, or in everything of the workspace, between two moments."""
    with session.client() as client:
        window = {"from": since, "to": until or str(client.get("/v1/status")["head"])}
        if resource == "workspace":
            path = f"{session.path('workspace', session.workspace)}/diff"
            wanted = min(max_results, RESOURCES_MAX)
            every = session.listed(client, path, wanted + 1, key="rows", kind=kind, **window)
            found = first(
                every, wanted, MORE if wanted < RESOURCES_MAX else "--kind, or a shorter time, asks for fewer"
            )
        else:
            found = [client.get(f"{history_path(session, resource)}/diff", **window)]
    if session.output in ("json", "yaml", "jsonl"):
        session.show(found[0] if resource != "workspace" else found)
    else:
        session.table(rows_of(session, found), FIELDS)


def rows_of(session: Session, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A line a field, with people's names, and the reasons in words."""
    people = names_of(session.home)
    rows = []
    for one in found:
        for field in one["fields"]:
            because = field.get("because")
            reason = f"{because['type']} of {because['kind']}/{because['name']}" if because else field["cause"]
            rows.append({
                **field, "of": f"{one['kind']}/{one['name']}", "by": people.get(field["actor"], field["actor"]),
                "before": shown(field["before"]), "after": shown(field["after"]), "because_of": reason,
            })  # fmt: skip
        if not one["fields"] and one["commits"]:
            by = ", ".join(people.get(actor, actor) for actor in one["actors"])
            rows.append({"of": f"{one['kind']}/{one['name']}", "path": "(as before)", "by": by})
    return rows
