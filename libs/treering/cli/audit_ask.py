"""``treering audit ask``: the saved questions of auditors."""

from __future__ import annotations

from typing import Any

import click

from treering.cli.lazy import Verb
from treering.cli.moments import MOMENT
from treering.cli.notes import first
from treering.cli.people import names_of, who
from treering.cli.session import Session
from treering.client.urls import segment

QUESTIONS = {"Question": "name", "About": "argument", "Answers": "help"}


@click.command("ask", cls=Verb)
@click.argument("question", required=False)
@click.argument("argument", required=False)
@click.option("--since", type=MOMENT, metavar="POSITION|TIME|AGO")
@click.option("--until", type=MOMENT, metavar="POSITION|TIME|AGO")
@click.option("--kind", help="Such as job.")
@click.option("--max-results", "-r", type=click.IntRange(min=1), default=100, show_default=True)
@click.pass_obj
def ask(
    session: Session, /, question: str | None, argument: str | None, max_results: int, **filters: str | None
) -> None:
    """Ask a saved question; without a name, list those there are."""
    with session.client() as client:
        if not question:
            session.table(client.get("/v1/audit/questions")["questions"], QUESTIONS)
            return
        path = f"{session.path('workspace', session.workspace)}/ask/{segment(question)}"
        rows, columns = list[dict[str, Any]](), list[str]()
        asked: dict[str, Any] = {**filters, "argument": argument}
        if question == "access":  # who has rights in a workspace one does not think of is what it is asked for
            path = "/v1/audit/access"
            asked["workspace"] = session.workspace if session.workspace_said else None
        page = ""
        while len(rows) <= max_results:  # one more, to know whether there are more
            answer = client.get(path, **asked, limit=min(max_results + 1 - len(rows), 1000), page=page)
            rows += answer["rows"]
            columns, page = answer["columns"], answer["next"]
            if not page:
                break
    rows = first(rows, max_results)
    people = names_of(session.home)
    for row in rows:
        by = row.get("by", "")
        if "who" in row:
            row["who"] = people.get(row["who"], row["who"])
        by = ", ".join(people.get(one, one) for one in ([by] if isinstance(by, str) else by))
        row["by"] = who(by, row.get("via", ""))
    session.table(rows, {name.capitalize(): name for name in columns})
