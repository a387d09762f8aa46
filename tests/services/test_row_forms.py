"""An auditor's rows over HTTP as CSV and as JSON lines: the same rows as in JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from tests.services.gateway_example import SPEC, WS, Api, running_gateway

from treering.kernel.service import Service
from treering.testing.nats import RunningNats
from treering_services.base import ServiceBase
from treering_services.monitor import service as monitor

pytestmark = pytest.mark.anyio
LINES, CSV = {"accept": "application/x-ndjson"}, {"accept": "text/csv"}
DESCRIPTION = 'has "quotes", commas\nand lines'


@pytest.fixture(scope="module")
async def api(shared_nats: RunningNats) -> AsyncIterator[Api]:
    """One for all tests: they only read."""
    async with running_gateway(shared_nats) as running:
        base = ServiceBase(running.home, shared_nats.urls)
        service = Service("monitor", lambda started: monitor.run(base, started))
        await service.start()
        try:
            body = {"description": DESCRIPTION}
            assert (await running.ask("POST", f"{WS}/experiments/e/create", body)).status == 201
            last = (await running.ask("POST", f"{WS}/jobs", {"name": "j", "spec": SPEC})).json["position"]
            assert (await running.ask("GET", f"/v1/audit?after={last}&limit=1")).status == 200
            yield running
        finally:
            await service.stop()


def table(body: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body.decode(), newline="")))


@pytest.mark.parametrize(
    "path",
    ["/v1/audit?workspace=w", "/v1/audit?workspace=w&limit=2", "/v1/audit/count?by=kind", f"{WS}/experiments/e/story",
     f"{WS}/ask/changed", "/v1/usage?workspace=w", "/v1/stuck", "/v1/audit?kind=node"],
)  # fmt: skip
async def test_the_rows_are_the_same_in_every_form(api: Api, path: str) -> None:
    whole = (await api.ask("GET", path)).json
    lines, text = await api.ask("GET", path, headers=LINES), await api.ask("GET", path, headers=CSV)
    rows: list[dict[str, Any]] = [msgspec.json.decode(line) for line in lines.body.splitlines()]
    for row in (*rows, *whole["rows"]) if path == "/v1/stuck" else ():
        del row["seconds"]  # it is longer with every question
    assert rows == whole["rows"] and lines.headers["content-type"] == "application/x-ndjson"
    assert text.headers["content-type"].startswith("text/csv") and text.body.split(b"\r\n")[0].count(b",") > 0
    found = table(text.body)
    assert len(found) == len(rows)
    for cells, row in zip(found, rows, strict=True):
        assert row.keys() <= cells.keys()
        for name, value in row.items():
            assert cells[name] == (value if isinstance(value, str) else msgspec.json.encode(value).decode())
    for answer in (lines, text):
        assert answer.headers.get("treering-next", "") == whole.get("next", "")
    assert bool(whole.get("next")) == ("limit=2" in path)


async def test_sql_has_its_own_columns_and_says_when_there_is_more(api: Api) -> None:
    sql = "SELECT 1 AS a, 'x' AS a, NULL AS b, data FROM events WHERE kind = 'experiment' AND name = 'e'"
    text = await api.ask("POST", "/v1/audit/sql", {"sql": sql}, CSV)
    (row,) = table(text.body)
    assert (row["a"], row["a:1"], row["b"]) == ("1", "x", "") and "treering-truncated" not in text.headers
    assert msgspec.json.decode(row["data"])["description"] == DESCRIPTION
    cut = await api.ask("POST", "/v1/audit/sql", {"sql": "SELECT type FROM events", "limit": 1}, LINES)
    assert cut.headers["treering-truncated"] == "true" and len(cut.body.splitlines()) == 1


async def test_a_cell_is_no_formula(api: Api) -> None:
    sql = "SELECT '=1+1' AS a, -5 AS b, '-5' AS c, '@a' AS \"=d\""
    text = await api.ask("POST", "/v1/audit/sql", {"sql": sql}, CSV)
    assert text.body == b"a,b,c,'=d\r\n'=1+1,-5,-5,'@a\r\n"


async def test_a_refusal_is_a_problem_in_any_form(api: Api) -> None:
    answer = await api.ask("GET", "/v1/audit?kind=dog", headers=CSV)
    assert (answer.status, answer.code) == (404, "kind.unknown")
