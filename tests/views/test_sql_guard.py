"""SQL from outside reads the documented views and nothing else; each attack has a harmless twin that is answered."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.views.audit_example import a_history
from tests.views.test_monitor_views import a_log

from treering.adapters.sqlite_view import Database, SqliteView
from treering.kernel.refusal import Refused
from treering.views.audit import AuditView, make_indices
from treering.views.lifecycle import LifecycleView
from treering.views.sql_answers import ROWS_MAX, SqlAnswer, SqlQuery, documented, select
from treering.views.sql_views import NAMES, SqlReaders

pytestmark = pytest.mark.anyio

# (hostile, its harmless twin): the same construct, used on what may be read.
FORBIDDEN = {
    "a table behind a view": ("SELECT * FROM event_rows", "SELECT * FROM events"),
    "the same, quoted": ('SELECT * FROM "main"."event_rows"', 'SELECT * FROM "events"'),
    "the same, in a subquery": ("SELECT (SELECT max(key) FROM event_rows)", "SELECT (SELECT max(name) FROM events)"),
    "the same, aliased as a view": ("SELECT events.key FROM event_rows AS events", "SELECT e.name FROM events AS e"),
    "a table of the attached file": ("SELECT * FROM lifecycle.current", "SELECT * FROM resources"),
    "a foreign table under a view's name": (
        "WITH usage AS (SELECT key FROM event_rows) SELECT * FROM usage",
        "WITH usage AS (SELECT name FROM events) SELECT * FROM usage",
    ),
    "the checkpoint": ("SELECT hash FROM checkpoint", "SELECT commit_id FROM events"),
    "the checkpoint under a view's name": (
        "WITH events AS (SELECT * FROM checkpoint) SELECT * FROM events",
        "WITH mine AS (SELECT * FROM events) SELECT * FROM mine",
    ),
    "the schema": ("SELECT sql FROM sqlite_master", "SELECT data FROM events"),
    "the schema of the views": ("SELECT * FROM sqlite_temp_schema", "SELECT * FROM activity"),
    "the schema, by union": (
        "SELECT name FROM events UNION SELECT sql FROM sqlite_schema",
        "SELECT name FROM events UNION SELECT name FROM resources",
    ),
    "the schema, by a condition": (
        "SELECT name FROM events WHERE EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'groups')",
        "SELECT name FROM events WHERE EXISTS (SELECT 1 FROM resources WHERE resources.name = events.name)",
    ),
    "a pragma": ("PRAGMA table_info(groups)", "SELECT kind FROM events GROUP BY 1"),
    "a pragma that writes": ("PRAGMA writable_schema = ON", "SELECT 1"),
    "a pragma that ends the guard of writes": ("PRAGMA query_only = OFF", "SELECT 'PRAGMA query_only = OFF'"),
    "a pragma as a table": ("SELECT * FROM pragma_table_list", "SELECT value FROM json_each('[1]')"),
    "a pragma function": ("SELECT * FROM pragma_database_list()", "SELECT key FROM json_tree('{\"a\": 1}')"),
    "the pages of the file": ("SELECT * FROM dbstat", "SELECT count(*) FROM events"),
    "the statements of others": ("SELECT sql FROM sqlite_stmt", "SELECT type FROM events"),
    "attaching a file": ("ATTACH '/etc/passwd' AS p", "SELECT 'ATTACH'"),
    "making a file": ("ATTACH 'made.db' AS made", "SELECT 'made.db'"),
    "detaching": ("DETACH lifecycle", "SELECT * FROM usage"),
    "copying everything into a file": ("VACUUM INTO 'copy.db'", "SELECT 'VACUUM'"),
    "vacuum": ("VACUUM", "SELECT name FROM resources"),
    "loading code": ("SELECT load_extension('x.so')", "SELECT lower('X.SO')"),
    "the address of code": ("SELECT fts3_tokenizer('simple')", "SELECT upper('simple')"),
    "a deletion": ("DELETE FROM event_rows", "SELECT * FROM events WHERE type = 'DELETE'"),
    "a change": ("UPDATE event_rows SET actor = 'ben'", "SELECT replace(actor, 'anna', 'ben') FROM events"),
    "an insertion": ("INSERT INTO groups VALUES (99, 'a', 'b', 'c')", "VALUES (99, 'a', 'b', 'c')"),
    "an insertion after a with": (
        "WITH x AS (SELECT 1) INSERT INTO groups SELECT 99, 'a', 'b', 'c' FROM x",
        "WITH x AS (SELECT 1) SELECT * FROM x",
    ),
    "a returning deletion": ("DELETE FROM event_rows RETURNING *", "SELECT * FROM events ORDER BY id"),
    "a table": ("CREATE TABLE t (a)", "SELECT 1 AS a"),
    "a temporary table": ("CREATE TEMP TABLE t AS SELECT * FROM events", "SELECT * FROM (SELECT * FROM events)"),
    "another view of that name": ("CREATE TEMP VIEW mine AS SELECT * FROM event_rows", "SELECT * FROM states"),
    "a trigger": ("CREATE TEMP TRIGGER t INSTEAD OF DELETE ON events BEGIN SELECT 1; END", "SELECT 'BEGIN'"),
    "a virtual table": ("CREATE VIRTUAL TABLE temp.t USING fts5(a)", "SELECT instr('using fts5', 'fts5')"),
    "dropping a view": ("DROP VIEW events", "SELECT * FROM intervals"),
    "dropping a table": ("DROP TABLE event_rows", "SELECT 'DROP TABLE event_rows'"),
    "altering": ("ALTER TABLE groups ADD COLUMN x", "SELECT NULL AS x, kind FROM events"),
    "statistics": ("ANALYZE", "SELECT count(DISTINCT actor) FROM events"),
    "reindexing": ("REINDEX", "SELECT name FROM events ORDER BY name"),
    "a transaction that stays": ("BEGIN IMMEDIATE", "SELECT 'BEGIN IMMEDIATE'"),
    "a savepoint": ("SAVEPOINT a", "SELECT 'a' AS savepoint"),
    "random memory": ("SELECT randomblob(1000000000)", "SELECT hex('a')"),
    "much memory": ("SELECT zeroblob(1000000000)", "SELECT length('a')"),
    "recursion": (
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT * FROM n",
        "WITH n(x) AS (VALUES (1), (2)) SELECT * FROM n",
    ),
    "an explained deletion": ("EXPLAIN DELETE FROM event_rows", "EXPLAIN QUERY PLAN SELECT * FROM events"),
    "the version and options of SQLite": ("SELECT sqlite_compileoption_get(1)", "SELECT typeof(1)"),
    "the last row written": ("SELECT last_insert_rowid(), total_changes()", "SELECT max(id) FROM events"),
}  # fmt: skip
WRONG = [
    "", ";", "-- nothing", "SELEC 1", "SELECT", "SELECT 1; DELETE FROM event_rows", "SELECT 1; SELECT 2", "SELECT ?",
    "SELECT :a", "DELETE FROM events", "SELECT * FROM words",
    "SELECT * FROM nowhere", "SELECT nothing FROM events", "SELECT '\x00", "SELECT " + "(" * 5000 + "1" + ")" * 5000,
    "SELECT " + "1+" * 40_000 + "1", "SELECT 1" + " UNION SELECT 1" * 200,
    "SELECT replace(printf('%.*c', 3000000, 'x'), 'x', 'yyyy')", "SELECT abs(-9223372036854775808)",
]  # fmt: skip


@pytest.fixture
async def folder(tmp_path: Path, anyio_backend: str) -> Path:
    """Both views' files, with some events and resources."""
    for view, entries in ((AuditView(), a_history(1)), (LifecycleView(), await a_log(1))):
        store = SqliteView(view, tmp_path / f"{view.name}.db")
        await store.open()
        await store.apply(entries)
        if isinstance(view, AuditView):
            await store.read(make_indices)
        await store.close()
    return tmp_path


@pytest.fixture
async def sql(folder: Path) -> AsyncIterator[SqlReaders]:
    readers = SqlReaders(folder / "audit.db", folder / "lifecycle.db")
    yield readers
    await readers.close()


async def run(sql: SqlReaders, text: str, limit: int = 1000) -> SqlAnswer:
    return await sql.readers.read(lambda db: select(db, SqlQuery(text, limit), sql.guard), 5.0)


def contents(folder: Path) -> dict[str, Any]:
    """Every row of both files, and which files there are."""
    found: dict[str, Any] = {"files": sorted(path.name for path in folder.iterdir() if not path.name.endswith("-shm"))}
    for name in ("audit", "lifecycle"):
        with sqlite3.connect(folder / f"{name}.db") as db:
            tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            found |= {f"{name}.{table}": db.execute(f"SELECT * FROM {table}").fetchall() for table in tables}
        db.close()
    return found


@pytest.mark.parametrize("what", FORBIDDEN)
async def test_what_is_not_a_select_of_the_views_is_refused_and_its_harmless_twin_is_not(
    sql: SqlReaders, folder: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    hostile, harmless = FORBIDDEN[what]
    await run(sql, "SELECT 1")
    before = contents(folder)
    with pytest.raises(Refused) as refused:
        await run(sql, hostile)
    assert refused.value.code == "sql.forbidden", refused.value
    assert contents(folder) == before
    assert (await run(sql, harmless)).columns


@pytest.mark.parametrize("text", WRONG)
async def test_wrong_sql_is_refused_in_a_sentence_and_the_next_is_answered(sql: SqlReaders, text: str) -> None:
    with pytest.raises(Refused) as refused:
        await run(sql, text)
    assert refused.value.code in ("sql.invalid", "sql.forbidden") and refused.value.detail
    assert (await run(sql, "SELECT 1 AS one")).rows == [[1]]


async def test_a_name_taken_for_a_view_reads_no_more_than_the_view(sql: SqlReaders) -> None:
    # A common table expression that calls itself "events" may read what the view reads: nothing else is in there.
    answer = await run(sql, "WITH events AS (SELECT gid, key FROM event_rows) SELECT key FROM events LIMIT 1")
    assert len(answer.rows) == 1
    for table in ("checkpoint", "days", "lifecycle.current", "sqlite_master"):
        with pytest.raises(Refused, match=r"sql\.forbidden"):
            await run(sql, f"WITH events AS (SELECT * FROM {table}) SELECT * FROM events")


async def test_sql_ends_in_time_and_in_size(sql: SqlReaders) -> None:
    many = "SELECT count(*) FROM events a, events b, events c, events d"
    with pytest.raises(Refused, match=r"query\.too_long"):
        await sql.readers.read(lambda db: select(db, SqlQuery(many), sql.guard), 0.1)
    rows = await run(sql, "SELECT id FROM events", limit=7)
    assert len(rows.rows) == 7 and rows.truncated
    large = await run(sql, "SELECT printf('%.*c', 300000, 'x') FROM events", limit=100)
    assert 0 < len(large.rows) < 3 and large.truncated
    for limit in (0, ROWS_MAX + 1):
        with pytest.raises(Refused, match=r"query\.bad_limit"):
            await run(sql, "SELECT 1", limit)


async def test_every_documented_view_is_there_with_its_columns(sql: SqlReaders) -> None:
    answer = await sql.readers.read(documented)
    assert tuple(view.name for view in answer.views) == NAMES
    for view in answer.views:
        found = await run(sql, f"SELECT * FROM {view.name.upper()}")
        assert found.columns == view.columns and len(set(view.columns)) == len(view.columns)
        assert (await run(sql, f"SELECT count(*) FROM {view.name}")).rows[0][0] == len(found.rows)


async def test_azures_tables_have_azures_columns(sql: SqlReaders) -> None:
    runs = await run(sql, "SELECT RunId, Status, TimeGenerated, DurationMs, Identity FROM AmlRunStatusChangedEvent")
    assert {row[1] for row in runs.rows} >= {"Queued"} and runs.rows
    jobs = await run(
        sql,
        "SELECT EventType, ExecutionState, JobName, ErrorDetails, JobErrorMessage, NodeId, ClusterName "
        "FROM AmlComputeJobEvent WHERE EventType = 'JobSubmitted'",
    )
    assert {(row[0], row[1]) for row in jobs.rows} == {("JobSubmitted", "Queued")}
    models = await run(sql, "SELECT AmlModelName, OperationName, ResultType, Identity FROM AmlModelsEvent")
    assert {row[1] for row in models.rows} == {"model.created"}


async def test_a_day_of_events_is_found_by_the_index_of_times(sql: SqlReaders) -> None:
    def plan(db: Database) -> str:
        sql = "EXPLAIN QUERY PLAN SELECT type, count(*) FROM events WHERE at >= '2026-01-02' GROUP BY 1"
        return " ".join(str(row[3]) for row in db.execute(sql))

    assert "events_time" in await sql.readers.read(plan)
