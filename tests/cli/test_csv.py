"""CSV has the same columns whatever there is, a header always, and no cell that a spreadsheet would execute."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from tests.cli.conftest import Treering

from treering.cli.follow_output import line_writer
from treering.cli.history import ROW
from treering.cli.output import emit
from treering.cli.session import Session
from treering.kernel.csv_cells import no_formula
from treering.views.queries import AuditRow

FORMULAS = [
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "=cmd|'/c calc'!A0",
    "--1",
    "\uff1d1+1",
    "-",
    "=",
    "+a",
]
HARMLESS = ["-5", "+5", "-5.25", "-1e-9", "+.5", "5", "", "a=1", " a", "2026-01-31T12:00:00Z", "'=1", "azureml:a:1"]


def cells(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    return list(csv.reader(io.StringIO(capsys.readouterr().out, newline="")))


@pytest.mark.parametrize("text", FORMULAS)
def test_a_text_that_a_spreadsheet_would_execute_is_a_text_of_it(capsys: pytest.CaptureFixture[str], text: str) -> None:
    emit(Session(output="csv"), [{"a": text, text: 1}])
    line_writer(Session(output="csv"), {"A": "a"})({"a": text})
    assert cells(capsys) == [["a", f"'{text}"], [f"'{text}", "1"], ["a"], [f"'{text}"]]


@pytest.mark.parametrize("text", HARMLESS)
def test_any_other_text_is_as_it_is(text: str) -> None:
    assert no_formula(text) == text


def test_numbers_stay_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    emit(Session(output="csv"), [{"a": -5, "b": -0.5, "c": None, "d": True, "e": {"f": "=1"}}])
    assert cells(capsys)[1] == ["-5", "-0.5", "", "true", '{"f": "=1"}']


@pytest.mark.parametrize("rows", [[], [{"name": "a"}], [{"name": "a", "b": {"c": 1}, "more": 2}, {"other": 3}]])
def test_the_columns_of_a_list_do_not_depend_on_what_is_in_it(
    capsys: pytest.CaptureFixture[str], rows: list[Any]
) -> None:
    emit(Session(output="csv"), rows, {"Name": "name", "C": "b.c"})
    assert cells(capsys)[0] == ["name", "b.c"]


def test_an_audit_row_has_all_that_the_audit_knows() -> None:
    assert set(AuditRow.__struct_fields__) <= set(ROW)


QUESTIONS = [
    (
        ("audit", "query", "--kind", "workspace"),
        ("audit", "query", "--name", "nobody"),
        ("audit", "query", "--text", "none"),
    ),
    (("audit", "query", "--kind", "compute"), ("audit", "query", "--kind", "workspace", "--oldest-first")),
    (("audit", "count"), ("audit", "count", "--name", "nobody")),
    (("workspace", "list"), ("workspace", "list", "-n", "nothing")),
    (("experiment", "list"), ("experiment", "list", "-n", "nothing")),
    (("job", "list"), ("job", "list", "--prefix", "nothing")),
    (("model", "list"),),
    (("run", "list"), ("run", "list", "--experiment", "Default")),
    (("usage",), ("usage", "--all-workspaces")),
    (("stuck",),),
]


@pytest.mark.parametrize("questions", QUESTIONS)
def test_each_list_has_one_header(online: Treering, questions: tuple[tuple[str, ...], ...]) -> None:
    headers = {online(*question, "-o", "csv").stdout.partition("\n")[0] for question in questions}
    assert len(headers) == 1 and headers != {""}
