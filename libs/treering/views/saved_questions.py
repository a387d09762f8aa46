"""The questions auditors ask, each under a name: ``treering audit ask NAME``. ``QUESTIONS`` is the list."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from treering.adapters.sqlite_view import Database
from treering.domain.registered_model import REGISTERED_MODEL, registered_model_key
from treering.kernel.bounds import Line, Name, Small
from treering.kernel.refusal import Refused
from treering.kernel.subjects import singular
from treering.views.access_question import COLUMNS, access_rows
from treering.views.alias_history import RENAMED, alias_rows
from treering.views.audit_answers import audit, checked_limit
from treering.views.audit_causes import with_causes
from treering.views.event_filters import joined, scope_of
from treering.views.queries import AuditQuery, AuditRow, CountQuery
from treering.views.same_secret import same_secret

# The types of events that say that somebody read a secret. A kind that gives secrets out adds its own here.
SECRET_READ_TYPES = ("secret.read", "datastore.secrets_read", "endpoint.keys_read", "workspace.keys_read")
DATA_USED_TYPES = ("job.submitted", "run.inputs_logged")
Row = dict[str, Any]


class AskQuery(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """``qry.ask``: a saved question. ``argument`` is the one thing it is about, if it is about one."""

    workspace: Name
    name: Name
    argument: Name = ""
    since: Name = ""
    until: Name = ""
    kind: Name = ""
    limit: Small = 100
    page: Line = ""


class AskAnswer(Struct, frozen=True):
    """``columns`` in the order to show them; every row has them all."""

    columns: list[str]
    rows: list[Row]
    next: str = ""


class SavedQuestion(NamedTuple):
    """``argument``: what it has to be told, "" for nothing. ``words``: it is found by the index of words. ``fresh``: it
    is about all that is in the log when it is asked."""

    help: str
    argument: str
    ask: Callable[[Database, AskQuery], AskAnswer]
    words: bool = False
    fresh: bool = False


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
    offset = offset_of(query.page)
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


def offset_of(page: str) -> int:
    return int(page) if page.isascii() and page.isdigit() and len(page) < 12 else 0


def causes(db: Database, query: AskQuery) -> AskAnswer:
    """What was done to a resource, and what led to each of these steps, back to the requests they began with."""
    kind, slash, key = query.argument.partition("/")
    if not slash:
        raise Refused("query.argument", f"{query.argument[:40]!r}: write kind/name, such as job/train-1")
    asked = AuditQuery(
        workspace=query.workspace, kind=singular(kind), name=key,
        since=query.since, until=query.until, limit=checked_limit(query.limit), page=query.page,
    )  # fmt: skip
    rows, next = with_causes(db, asked)
    if not rows and not query.page:
        raise Refused(
            f"{asked.kind}.absent", f"nothing in the log is about {query.argument[:80]!r}; check the kind and the name"
        )
    columns = ["at", "type", "of", "by", "position", "cause"]
    return AskAnswer(columns, [{**event(row), "cause": row.cause} for row in rows], next)


def event(row: AuditRow) -> Row:
    of = f"{row.kind}/{row.name}"
    shown = {"at": row.at, "type": row.type, "of": of, "by": row.actor, "position": row.position}
    return {**shown, "via": row.via} if row.via else shown


def of_events(db: Database, query: AskQuery, types: Sequence[str]) -> AskAnswer:
    """The events of some types, newest first: treering's own, for anybody may publish words that look like them."""
    columns = ["at", "type", "of", "by", "position"]
    if not types:
        return AskAnswer(columns, [])
    asked = AuditQuery(
        workspace=query.workspace, kind=query.kind, type=",".join(types),
        since=query.since, until=query.until, limit=query.limit, page=query.page, unseen=True, own=True,
    )  # fmt: skip
    answer = audit(db, asked)
    return AskAnswer(columns, [event(row) for row in answer.rows], answer.next)


def data_of(row: AuditRow) -> Row:
    found = msgspec.json.decode(row.data)
    return found if isinstance(found, dict) else {}


def aliases(db: Database, query: AskQuery) -> AskAnswer:
    key = registered_model_key(query.argument)
    if not audit(db, AuditQuery(workspace=query.workspace, kind=REGISTERED_MODEL.kind, name=key, limit=1)).rows:
        raise Refused("registered_model.absent", f"there is no model {query.argument[:80]!r}, and never was")
    asked = AuditQuery(
        workspace=query.workspace, since=query.since, until=query.until, limit=checked_limit(query.limit),
        page=query.page,
    )  # fmt: skip
    rows, next = alias_rows(db, asked, query.argument)
    fields = ["alias", "version", *(["to"] if any(row.type == RENAMED for row in rows) else [])]
    said = [{**event(row), **{field: data_of(row).get(field) for field in fields}} for row in rows]
    return AskAnswer(["at", "type", "of", "by", *fields, "position"], said, next)


def deleted(db: Database, query: AskQuery) -> AskAnswer:
    """An experiment is deleted by archiving it: MLflow's ``delete_experiment`` does just that."""
    sql = "SELECT DISTINCT type FROM groups WHERE type LIKE '%deleted' OR type = 'experiment.archived' ORDER BY 1"
    return of_events(db, query, [row["type"] for row in db.execute(sql)])


def secrets(db: Database, query: AskQuery) -> AskAnswer:
    return of_events(db, query, SECRET_READ_TYPES)


def same_value(db: Database, query: AskQuery) -> AskAnswer:
    """Jobs and environments with a secret variable of the same value as the one that is named."""
    asked = AuditQuery(
        workspace=query.workspace, since=query.since, until=query.until, limit=query.limit, page=query.page
    )
    found, next = same_secret(db, asked, query.argument)
    rows = [{**event(one.row), "variable": one.variable} for one in found]
    return AskAnswer(["at", "of", "by", "variable", "position"], rows, next)


def data_used(db: Database, query: AskQuery) -> AskAnswer:
    """Jobs and runs with an input that is the data named: by name, ``name:version``, path or digest."""
    phrase = '"' + query.argument.replace('"', " ") + '"'
    asked = AuditQuery(
        workspace=query.workspace, type=",".join(DATA_USED_TYPES), text=phrase, own=True,
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


def access(db: Database, query: AskQuery) -> AskAnswer:
    offset, limit = offset_of(query.page), checked_limit(query.limit)
    rows = access_rows(db, query)
    return AskAnswer(COLUMNS, rows[offset : offset + limit], str(offset + limit) if len(rows) > offset + limit else "")


QUESTIONS = {
    "access": SavedQuestion("Who could do what, since when, and who let them (--until)", "", access, fresh=True),
    "changed": SavedQuestion("What changed, how often, and by whom (--since, --until, --kind)", "", changed),
    "causes": SavedQuestion(
        "What led to the present state of a resource: its events and their causes", "KIND/NAME", causes
    ),
    "aliases": SavedQuestion("Who touched the aliases of a model, under every name it had", "MODEL", aliases),
    "data": SavedQuestion("Which jobs and runs used this data", "NAME, PATH or DIGEST", data_used, words=True),
    "deleted": SavedQuestion(
        "What was deleted or (experiments) archived, and by whom (--since, --until, --kind)", "", deleted
    ),
    "secrets": SavedQuestion("Who read which secret", "", secrets),
    "same-secret": SavedQuestion(
        "Which jobs and environments have a secret variable of the same value", "KIND/NAME/VARIABLE", same_value, True
    ),
}
