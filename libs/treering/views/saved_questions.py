"""The questions auditors ask, each under a name: ``treering audit ask NAME``. ``QUESTIONS`` is the list."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from treering.adapters.sqlite_view import Database
from treering.kernel.refusal import Refused
from treering.views.audit_answers import audit, because, checked_limit
from treering.views.event_filters import joined, scope_of
from treering.views.queries import AuditQuery, AuditRow, CountQuery

STEPS_MAX = 64  # of a chain of causes
# The types of events that say that somebody read a secret. A kind that gives secrets out adds its own here.
SECRET_READ_TYPES = ("secret.read", "datastore.secrets_read", "endpoint.keys_read", "workspace.keys_read")
DATA_USED_TYPES = ("job.submitted", "run.inputs_logged")
Row = dict[str, Any]


class AskQuery(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """``qry.ask``: a saved question. ``argument`` is the one thing it is about, if it is about one."""

    workspace: str
    name: str
    argument: str = ""
    since: str = ""
    until: str = ""
    kind: str = ""
    limit: int = 100
    page: str = ""


class AskAnswer(Struct, frozen=True):
    """``columns`` in the order to show them; every row has them all."""

    columns: list[str]
    rows: list[Row]
    next: str = ""


class SavedQuestion(NamedTuple):
    """``argument``: what it has to be told, "" for nothing. ``words``: it is found by the index of words."""

    help: str
    argument: str
    ask: Callable[[Database, AskQuery], AskAnswer]
    words: bool = False


class QuestionHelp(Struct, frozen=True):
    name: str
    help: str
    argument: str = ""


class QuestionsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """``qry.asks``: which saved questions there are."""


class QuestionsAnswer(Struct, frozen=True):
    questions: list[QuestionHelp]


def ask(db: Database, query: AskQuery) -> AskAnswer:
    """Answer ``qry.ask``; ``Refused("query.unknown_question")`` or ``Refused("query.argument")``."""
    found = question_named(query.name)
    if found.argument and not query.argument:
        raise Refused("query.argument", f"the question {query.name} needs to be told: {found.argument}")
    if query.argument and not found.argument:
        raise Refused(
            "query.argument", f"the question {query.name} is about nothing in particular, and needs no argument"
        )
    return found.ask(db, query)


def question_named(name: str) -> SavedQuestion:
    if name not in QUESTIONS:
        raise Refused("query.unknown_question", f"there is no question {name[:40]!r}; there are {', '.join(QUESTIONS)}")
    return QUESTIONS[name]


def asks() -> QuestionsAnswer:
    return QuestionsAnswer([QuestionHelp(name, one.help, one.argument) for name, one in QUESTIONS.items()])


def changed(db: Database, query: AskQuery) -> AskAnswer:
    """Each resource with how often, when and by whom it was changed; the one that changed last first."""
    scope = scope_of(db, CountQuery(workspace=query.workspace, kind=query.kind, since=query.since, until=query.until))
    where, values = joined([scope.between, *scope.times, *scope.of_groups])
    offset = int(query.page) if query.page.isascii() and query.page.isdigit() and len(query.page) < 12 else 0
    limit = checked_limit(query.limit)
    sql = (
        "SELECT kind || '/' || key AS of, count(*) AS events, min(at) AS first, max(at) AS last, "
        "group_concat(DISTINCT actor) AS actors, group_concat(DISTINCT type) AS types, max(id) AS latest "
        f"FROM event_rows JOIN groups USING (gid) WHERE {where} "
        "GROUP BY kind, key ORDER BY latest DESC LIMIT ? OFFSET ?"
    )
    rows = [
        {"of": row["of"], "events": row["events"], "first": row["first"], "last": row["last"],
         "by": row["actors"].split(","), "types": row["types"].split(",")}
        for row in db.execute(sql, [*values, limit, offset])
    ]  # fmt: skip
    return AskAnswer(
        ["of", "events", "by", "first", "last", "types"], rows, str(offset + limit) if len(rows) == limit else ""
    )


def causes(db: Database, query: AskQuery) -> AskAnswer:
    """From the last event of a resource back to where it began: each step is the cause of the one before."""
    kind, slash, key = query.argument.partition("/")
    if not slash:
        raise Refused("query.argument", f"{query.argument[:40]!r}: write kind/name, such as job/train-1")
    asked = AuditQuery(workspace=query.workspace, kind=kind.removesuffix("s"), name=key, until=query.until, limit=1)
    rows: list[Row] = []
    found = audit(db, asked).rows
    seen: set[int] = set()
    while found and len(rows) < STEPS_MAX and found[0].position not in seen:
        step = found[0]
        seen.add(step.position)
        rows.append({**event(step), "cause": step.cause})
        reason = because(db, step.cause)
        at = str(reason.position) if reason else ""
        found = audit(db, AuditQuery(since=at, until=at, oldest_first=True, limit=1)).rows if at else []
    if not rows:
        raise Refused(f"{asked.kind}.absent", f"nothing was ever done to {query.argument[:80]!r}")
    return AskAnswer(["at", "type", "of", "by", "position", "cause"], rows)


def event(row: AuditRow) -> Row:
    return {"at": row.at, "type": row.type, "of": f"{row.kind}/{row.name}", "by": row.actor, "position": row.position}


def of_events(
    db: Database, query: AskQuery, types: Iterable[str], fields: Iterable[str] = (), *, name: str = ""
) -> AskAnswer:
    """The events of some types, newest first, with ``fields`` of their data."""
    types, fields = list(types), list(fields)
    columns = ["at", "type", "of", "by", *fields, "position"]
    if not types:
        return AskAnswer(columns, [])
    asked = AuditQuery(
        workspace=query.workspace, kind=query.kind, name=name, type=",".join(types),
        since=query.since, until=query.until, limit=query.limit, page=query.page,
    )  # fmt: skip
    answer = audit(db, asked)
    rows = [{**event(row), **{field: data_of(row).get(field) for field in fields}} for row in answer.rows]
    return AskAnswer(columns, rows, answer.next)


def data_of(row: AuditRow) -> Row:
    found = msgspec.json.decode(row.data)
    return found if isinstance(found, dict) else {}


def aliases(db: Database, query: AskQuery) -> AskAnswer:
    return of_events(db, query, ["registered_model.alias_*"], ["alias", "version"], name=query.argument)


def deleted(db: Database, query: AskQuery) -> AskAnswer:
    types = [
        row["type"] for row in db.execute("SELECT DISTINCT type FROM groups WHERE type LIKE '%deleted' ORDER BY 1")
    ]
    return of_events(db, query, types)


def secrets(db: Database, query: AskQuery) -> AskAnswer:
    return of_events(db, query, SECRET_READ_TYPES)


def data_used(db: Database, query: AskQuery) -> AskAnswer:
    """Jobs and runs with an input that is the data named: by name, ``name:version``, path or digest."""
    phrase = '"' + query.argument.replace('"', " ") + '"'
    asked = AuditQuery(
        workspace=query.workspace, type=",".join(DATA_USED_TYPES), text=phrase,
        since=query.since, until=query.until, limit=query.limit, page=query.page,
    )  # fmt: skip
    answer = audit(db, asked)
    rows = [
        {**event(row), "input": name, "data": said}
        for row in answer.rows
        for name, said in inputs_of(data_of(row))
        if any(query.argument in part for part in said.values())
    ]
    return AskAnswer(["at", "of", "by", "input", "data", "position"], rows, answer.next)


def inputs_of(data: Row) -> list[tuple[str, dict[str, str]]]:
    """The inputs of a job or run: (the name it has there, what says which data it is)."""
    inputs = data.get("spec", {}).get("inputs", {}) if isinstance(data.get("spec"), dict) else {}
    found = [(name, parts(one, ("path", "digest"))) for name, one in inputs.items() if isinstance(one, dict)]
    sets = [one for one in data.get("datasets", ()) if isinstance(one, dict)]
    return found + [(str(one.get("name", "")), parts(one, ("name", "digest", "source"))) for one in sets]


def parts(one: Row, names: Iterable[str]) -> dict[str, str]:
    return {name: str(one[name]) for name in names if one.get(name)}


QUESTIONS = {
    "changed": SavedQuestion("What changed, how often, and by whom (--since, --until, --kind)", "", changed),
    "causes": SavedQuestion("What led to the present state of a resource, step by step", "KIND/NAME", causes),
    "aliases": SavedQuestion("Who touched the aliases of a model, and when", "MODEL", aliases),
    "data": SavedQuestion("Which jobs and runs used this data", "NAME, PATH or DIGEST", data_used, words=True),
    "deleted": SavedQuestion("What was deleted, and by whom (--since, --until, --kind)", "", deleted),
    "secrets": SavedQuestion("Who read which secret", "", secrets),
}
