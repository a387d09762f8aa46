"""SQL from outside, on a connection that can only read what it was given: SQLite's own authorizer decides.

The text is never looked at. SQLite asks about every table, column and function a statement would use before it
runs, whatever way it is spelled; what is not on the list is refused, so new features of SQLite are refused too.
Recursion is not on it: its queue grows on disk, where nothing but time would bound it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any, NamedTuple

from treering.adapters.sqlite_view import Database
from treering.kernel.refusal import Refused

FUNCTIONS = frozenset({
    "abs", "avg", "ceil", "ceiling", "coalesce", "concat", "concat_ws", "count", "cume_dist", "date",
    "datetime", "dense_rank", "exp", "first_value", "floor", "format", "glob", "group_concat", "hex", "ifnull",
    "iif", "instr", "json", "json_array", "json_array_length", "json_each", "json_extract", "json_group_array",
    "json_group_object", "json_object", "json_quote", "json_tree", "json_type", "json_valid", "julianday",
    "lag", "last_value", "lead", "length", "like", "ln", "log", "log10", "lower", "ltrim", "max", "min", "mod",
    "nth_value", "ntile", "nullif", "percent_rank", "pow", "power", "printf", "quote", "rank", "replace",
    "round", "row_number", "rtrim", "sign", "sqrt", "strftime", "string_agg", "substr", "substring", "sum",
    "time", "timediff", "total", "trim", "typeof", "unicode", "unixepoch", "upper", "->", "->>",
})  # fmt: skip
TABLE_FUNCTIONS = frozenset({"json_each", "json_tree"})
VALUE_BYTES_MAX = 4 * 1024 * 1024
LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: VALUE_BYTES_MAX,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 64 * 1024,
    sqlite3.SQLITE_LIMIT_COLUMN: 200,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 100,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 50,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 50_000,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 32,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 200,
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: 100,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
ACTIONS = {
    getattr(sqlite3, name): name.removeprefix("SQLITE_")
    for name in dir(sqlite3)
    if name.startswith(("SQLITE_ALTER", "SQLITE_ANALYZE", "SQLITE_ATTACH", "SQLITE_CREATE", "SQLITE_DELETE",
                        "SQLITE_DETACH", "SQLITE_DROP", "SQLITE_INSERT", "SQLITE_PRAGMA", "SQLITE_RECURSIVE",
                        "SQLITE_REINDEX", "SQLITE_SAVEPOINT", "SQLITE_TRANSACTION", "SQLITE_UPDATE"))
}  # fmt: skip


class Table(NamedTuple):
    """A real table: the schema it is in, and its name."""

    schema: str
    name: str


class SqlRows(NamedTuple):
    columns: list[str]
    rows: list[list[Any]]
    truncated: bool


class Guard:
    """``views`` maps each view that may be read to the tables that it, and only it, reads."""

    def __init__(self, views: Mapping[str, frozenset[Table]]) -> None:
        self.views = {name.lower(): tables for name, tables in views.items()}
        self.tables = frozenset(table for tables in views.values() for table in tables)
        self.refused = ""

    def install(self, db: Database) -> None:
        """From here on the connection obeys the guard."""
        for name in TABLE_FUNCTIONS:  # SQLite declares them when they are first used, and would ask about that.
            db.execute(f"SELECT * FROM {name}('[]')").fetchall()
        for limit, value in LIMITS.items():
            db.setlimit(limit, value)
        db.execute("PRAGMA trusted_schema = OFF")
        db.set_authorizer(self.decide)

    def decide(self, action: int, first: str | None, second: str | None, schema: str | None, view: str | None) -> int:
        """SQLite's question about one step of a statement; ``view`` is the view or subquery it stands in."""
        match action:
            case sqlite3.SQLITE_SELECT:
                return sqlite3.SQLITE_OK
            case sqlite3.SQLITE_READ if self.may_read(Table(schema or "", (first or "").lower()), second, view):
                return sqlite3.SQLITE_OK
            case sqlite3.SQLITE_FUNCTION if (second or "").lower() in FUNCTIONS:
                return sqlite3.SQLITE_OK
        self.refused = self.refused or refusal(action, first, second)
        return sqlite3.SQLITE_DENY

    def may_read(self, table: Table, column: str | None, view: str | None) -> bool:
        """A common table expression can take a view's name, and then reads no more than that view does. Without a
        column, SQLite asks about a table of which none is read (``count(*)``), and does not say from where."""
        if table.name in TABLE_FUNCTIONS or (table.schema == "temp" and table.name in self.views):
            return True
        return table in (self.views.get((view or "").lower(), frozenset()) if column else self.tables)

    def run(self, db: Database, sql: str, *, rows_max: int, bytes_max: int) -> SqlRows:
        """The rows of one SELECT, as many as fit; ``Refused("sql.forbidden")`` or ``Refused("sql.invalid")``."""
        self.refused = ""
        try:
            cursor = db.execute(sql)
            if cursor.description is None:
                raise ValueError("there is no statement in it; write one SELECT")
            columns = [str(column[0]) for column in cursor.description]
            rows, truncated = fitting(cursor, rows_max, bytes_max)
        except (sqlite3.Error, sqlite3.Warning, UnicodeError, OverflowError, ValueError) as error:
            if str(error) == "interrupted":
                raise
            raise self.explained(error) from None
        return SqlRows(columns, rows, truncated)

    def explained(self, error: Exception) -> Refused:
        if self.refused:
            return Refused("sql.forbidden", f"{self.refused}: only SELECT from the documented views is (audit views)")
        return Refused("sql.invalid", str(error)[:500] or type(error).__name__)


def refusal(action: int, first: str | None, second: str | None) -> str:
    """What was asked for, in words."""
    match action:
        case sqlite3.SQLITE_READ:
            return f"{(first or '')[:80]!r} is not one of the documented views"
        case sqlite3.SQLITE_FUNCTION:
            return f"the function {(second or '')[:80]!r} is not allowed"
        case sqlite3.SQLITE_RECURSIVE:
            return "recursion is not allowed"
    return f"{ACTIONS.get(action, 'this').replace('_', ' ')} is not allowed"


def fitting(cursor: sqlite3.Cursor, rows_max: int, bytes_max: int) -> tuple[list[list[Any]], bool]:
    """As many rows as fit, and whether there were more."""
    rows: list[list[Any]] = []
    size = 0
    for row in cursor:
        values = [plain(value) for value in row]
        size += sum(len(value) * 2 if isinstance(value, str) else 24 for value in values) + 8
        if len(rows) == rows_max or size > bytes_max:
            cursor.close()
            return rows, True
        rows.append(values)
    return rows, False


def plain(value: Any) -> Any:
    """A value as JSON can say it: bytes are text, or hex when they are none."""
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.hex()
