"""Searches of the registry: what a filter means, and that any text is rows or a refusal, never an error of SQL."""

from __future__ import annotations

import sqlite3
from functools import lru_cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treering.adapters.sqlite_view import Database
from treering.kernel.refusal import Refused
from treering.views.tracking.filter_sql import Sql, all_of
from treering.views.tracking.logged_model_search import DataSet, Ordering, Search, search
from treering.views.tracking.logged_models import LoggedModelsPart
from treering.views.tracking.registry import PROMPT, RegistryPart
from treering.views.tracking.registry_filters import MODELS, VERSIONS, Searchable, conditions

PIECES = [
    "name", "run_id", "version_number", "tags.a", "tag.`b c`", "attribute.name", f"tags.`{PROMPT}`", "metrics.m",
    "params.p", "status", "creation_timestamp", "=", "!=", ">", "<=", "LIKE", "ilike", "IN", "NOT IN", "IS NULL", "'m'",
    "'%_[*'", "'READY'", "1", "1e400", "-2", "('a', 'b')", "()", "and", "AND", ";", "--", "')",
]  # fmt: skip
TEXTS = st.one_of(st.text(max_size=40), st.lists(st.sampled_from(PIECES), max_size=11).map(" ".join))


@lru_cache(1)
def opened() -> Database:
    """Only read from, so one does for all."""
    return opened_anew()


def opened_anew() -> Database:
    db = sqlite3.connect(":memory:")
    db.row_factory = sqlite3.Row
    db.executescript(RegistryPart.schema + LoggedModelsPart.schema)
    for name, number, tags in [("m", 1, {"a": "x"}), ("m", 2, {}), ("M", 1, {"a": "Y"}), ("p", 1, {PROMPT: "true"})]:
        values = "'w', ?, ?, 'k', 1, 1, NULL, 'None', 's', 's', ?, '', '', 't', '', '{}', 0"
        db.execute(f"INSERT INTO model_versions VALUES ({values})", (name, number, f"r{number}"))
        for key, value in tags.items():
            db.execute("INSERT INTO model_version_tags VALUES ('w', ?, ?, ?, ?)", (name, number, key, value))
    for name, tags in [("m", {"a": "x"}), ("M", {}), ("p", {PROMPT: "true"})]:
        db.execute("INSERT INTO registered_models VALUES ('w', ?, 'k', 1, 1, '', '{}', '{}', 1, 0)", (name,))
        for key, value in tags.items():
            db.execute("INSERT INTO registered_model_tags VALUES ('w', ?, ?, ?)", (name, key, value))
    return db


@pytest.fixture(scope="module")
def db() -> Database:
    return opened()


def names(db: Database, table: Searchable, text: str) -> list[str]:
    where = all_of([Sql("workspace = 'w'"), *conditions(table, text)])
    sql = f"SELECT * FROM {table.table} WHERE {where.text} ORDER BY 2, 3"
    rows = db.execute(sql, where.values).fetchall()
    return [f"{row['name']}:{row['version']}" if table is VERSIONS else row["name"] for row in rows]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ["M:1", "m:1", "m:2"]),
        ("name = 'm'", ["m:1", "m:2"]),
        ("name ILIKE 'M%'", ["M:1", "m:1", "m:2"]),
        ("name LIKE 'M%'", ["M:1"]),
        ("name != 'm' AND version_number >= 1", ["M:1"]),
        ("run_id IN ('r2', 'none')", ["m:2"]),
        ("name NOT IN ('m')", ["M:1"]),
        ("tags.a = 'x'", ["m:1"]),
        ("tags.a != 'x'", ["M:1"]),
        ("tag.a ilike 'y'", ["M:1"]),
        ("version_number = '2'", ["m:2"]),
        (f"tags.`{PROMPT}` = 'true'", ["p:1"]),
        (f"tags.`{PROMPT}` != 'true' and name = 'm'", ["m:1", "m:2"]),
        ("source_path = 's' and name like '_'", ["M:1", "m:1", "m:2"]),
    ],
)
def test_a_filter_of_versions_means_what_it_means_to_mlflow(db: Database, text: str, found: list[str]) -> None:
    assert names(db, VERSIONS, text) == found


@pytest.mark.parametrize(("text", "found"), [("", ["M", "m"]), ("tags.a LIKE 'x'", ["m"]), ("name = 'p'", [])])
def test_a_filter_of_models_leaves_prompts_out(db: Database, text: str, found: list[str]) -> None:
    assert names(db, MODELS, text) == found


@given(TEXTS)
def test_any_filter_of_models_and_versions_is_rows_or_a_refusal(text: str) -> None:
    db = opened()
    for table in (MODELS, VERSIONS):
        try:
            names(db, table, text)
        except Refused as refused:
            assert refused.code == "filter.invalid"


@given(TEXTS, st.lists(st.builds(Ordering, st.one_of(st.sampled_from(PIECES), st.text(max_size=9)), st.booleans())))
def test_any_search_for_logged_models_is_rows_or_a_refusal(text: str, order: list[Ordering]) -> None:
    db = opened()
    try:
        assert search(db, Search("w", ["1"], text, [DataSet("d", "1"), DataSet("e")], order)) == ([], False)
    except Refused as refused:
        assert refused.code == "filter.invalid"


def measured(db: Database, *asked: Ordering) -> list[str]:
    return [row.model_id for row in search(db, Search("w", ["1"], order=asked))[0]]


def test_an_order_by_a_metric_minds_the_data_set_it_was_measured_on() -> None:
    db = opened_anew()
    state = b'{"status":"ready","spec":{"experiment_id":"1","name":"n","artifact_uri":""}}'
    for id in ("m-1", "m-2"):
        values = "'w', ?, '1', 'n', '', 1, 1, 'ready', '', '', 0, ?"
        db.execute(f"INSERT INTO logged_models VALUES ({values})", (id, state))
    for id, name, value in [("m-1", "a", 0.9), ("m-1", "b", 0.8), ("m-2", "a", 0.8), ("m-2", "b", 0.9)]:
        point = (id, 0 if name == "a" else 1, value, name, f"digest of {name}")
        db.execute("INSERT INTO logged_model_metrics VALUES ('w', ?, 'acc', 0, ?, 'r', ?, ?, ?)", point)
    assert measured(db, Ordering("metrics.acc", True, DataSet("a"))) == ["m-2", "m-1"]
    assert measured(db, Ordering("metrics.acc", True, DataSet("b", "digest of b"))) == ["m-1", "m-2"]
    assert measured(db, Ordering("metrics.acc", True, DataSet("", "digest of a"))) == ["m-2", "m-1"]
    assert measured(db, Ordering("metrics.acc", False)) == ["m-2", "m-1"]  # the latest points are those on b
    db.close()


def test_what_is_no_filter_of_logged_models_is_refused_in_that_searchs_words() -> None:
    for text in ("Foo", "name = 'a' OR name = 'b'"):
        with pytest.raises(Refused, match="Invalid filter string"):
            search(opened(), Search("w", ["1"], text))
