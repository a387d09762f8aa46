"""What is asked in SQL: the rows of a SELECT over the documented views, and which views there are."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from treering.adapters.sql_guard import Guard
from treering.adapters.sqlite_view import Database
from treering.kernel.bounds import Small, Text
from treering.kernel.refusal import Refused
from treering.views.sql_views import VIEWS

ROWS_MAX = 10_000
BYTES_MAX = 900_000  # a NATS message has at most 1 MiB
SECONDS_MAX = 10.0


class SqlQuery(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """``qry.sql``: one SELECT over the documented views."""

    sql: Text
    limit: Small = 1000  # rows, at most ROWS_MAX


class SqlAnswer(Struct, frozen=True):
    """``truncated``: there were more rows than asked for, or than one answer holds."""

    columns: list[str]
    rows: list[list[Any]]
    truncated: bool = False


class SqlViewsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """``qry.sql_views``: the documented views."""


class SqlViewHelp(Struct, frozen=True):
    name: str
    help: str
    columns: list[str]


class SqlViewsAnswer(Struct, frozen=True):
    views: list[SqlViewHelp]


def select(db: Database, query: SqlQuery, guard: Guard) -> SqlAnswer:
    """Answer ``qry.sql``; ``Refused`` for what is not allowed, wrong, or takes longer than SECONDS_MAX."""
    if not 1 <= query.limit <= ROWS_MAX:
        raise Refused("query.bad_limit", f"limit is {query.limit}, it may be 1 to {ROWS_MAX}")
    return SqlAnswer(*guard.run(db, query.sql, rows_max=query.limit, bytes_max=BYTES_MAX))


def documented(db: Database) -> SqlViewsAnswer:
    return SqlViewsAnswer([SqlViewHelp(view.name, view.help, columns_of(db, view.name)) for view in VIEWS])


def columns_of(db: Database, view: str) -> list[str]:
    return [str(column[0]) for column in db.execute(f"SELECT * FROM {view} LIMIT 0").description]
