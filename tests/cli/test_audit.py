"""The auditor's command line: queries in every form, SQL, saved questions, differences, and following live."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Treering

HEADING = "position,index,workspace,kind,name,type"


@pytest.fixture
def made(online: Treering, request: pytest.FixtureRequest) -> str:
    """The name of an experiment that was created, changed and archived."""
    name = f"audit-{abs(hash(request.node.nodeid)) % 10**8}"
    for arguments in (
        ("create", name, "--description", 'has "quotes", commas\nand lines'),
        ("update", name, "--set", "tags.team=blue"),
        ("archive", name),
    ):
        assert online("experiment", *arguments).returncode == 0
    return name


def rows(online: Treering, *arguments: str) -> list[dict[str, object]]:
    done = online(*arguments, "-o", "json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, list)
    return found


def test_an_audit_query_has_the_same_rows_in_every_form(online: Treering, made: str) -> None:
    query = ("audit", "query", "--name", made, "--type", "experiment.*")
    as_json = rows(online, *query)
    assert [row["type"] for row in as_json] == ["experiment.archived", "experiment.updated", "experiment.created"]
    lines = online(*query, "-o", "jsonl").stdout.splitlines()
    assert [json.loads(line) for line in lines] == as_json
    text = online(*query, "-o", "csv").stdout
    assert text.startswith(HEADING)
    table = list(csv.DictReader(io.StringIO(text)))
    assert [row["position"] for row in table] == [str(row["position"]) for row in as_json]
    assert json.loads(table[2]["data"])["description"] == 'has "quotes", commas\nand lines'


def test_words_counts_and_sql_agree(online: Treering, made: str) -> None:
    assert len(rows(online, "audit", "query", "--text", f"{made} quotes")) == 1
    counted = rows(online, "audit", "count", "--name", made, "--by", "type")
    selected = rows(
        online, "audit", "sql", f"SELECT type, count(*) AS events FROM events WHERE name = '{made}' GROUP BY 1"
    )
    assert {str(row["type"]): row["events"] for row in counted} == {str(row["type"]): row["events"] for row in selected}
    assert {str(view["name"]) for view in rows(online, "audit", "views")} >= {"events", "AmlRunStatusChangedEvent"}


def test_sql_that_may_not_be_said_is_exit_1_and_one_line(online: Treering) -> None:
    done = online("audit", "sql", "DROP TABLE event_rows")
    assert done.returncode == 1 and "is not allowed: only SELECT" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_saved_questions_are_listed_and_answered(online: Treering, made: str) -> None:
    assert {row["name"] for row in rows(online, "audit", "ask")} >= {"changed", "causes", "aliases", "data", "deleted"}
    changed = [
        row
        for row in rows(online, "audit", "ask", "changed", "--kind", "experiment")
        if row["of"] == f"experiment/{made}"
    ]
    assert changed[0]["events"] == 3
    assert rows(online, "audit", "ask", "causes", f"experiment/{made}")[0]["type"] == "experiment.archived"
    refused = online("audit", "ask", "weather")
    assert refused.returncode == 1 and "changed, causes" in refused.stderr


def test_lists_and_differences_of_the_past(online: Treering, made: str) -> None:
    events = rows(online, "audit", "query", "--name", made)
    created, updated, archived = sorted(int(str(row["position"])) for row in events)

    def listed(at: int) -> list[object]:
        return [row["name"] for row in rows(online, "experiment", "list", "--at", str(at), "-n", made)]

    assert listed(created) == listed(updated) == [made] and listed(created - 1) == listed(archived) == []
    window = ("--from", str(created), "--to", str(updated))
    one = json.loads(online("diff", f"experiment/{made}", *window, "-o", "json").stdout)
    assert [(field["path"], field["after"]) for field in one["fields"]] == [("tags.team", "blue")]
    everything = rows(online, "diff", "workspace", *window)
    assert made in {row["name"] for row in everything}
    assert f"experiment/{made}  tags.team" in online("diff", "workspace", *window, "-o", "table").stdout
    assert online("diff", f"experiment/{made}", "--from", "9", "--to", "1").returncode == 1


def test_nothing_stuck_is_exit_0_and_something_is_exit_4(online: Treering, tmp_path: Path) -> None:
    assert online("stuck", "--failures", "1000", "--waiting-seconds", "1e6").returncode == 0
    job = tmp_path / "waits.yml"
    job.write_text("command: 'true'\nenvironment:\n  python: '3.11'\ncompute: nobody-joined\n")
    assert online("compute", "create", "nobody-joined").returncode == 0
    assert online("job", "create", "-f", str(job), "--name", "waits").returncode == 0
    done = online("stuck", "--waiting-seconds", "0.001", "-o", "json")
    online("job", "cancel", "waits")
    assert done.returncode == 4 and "waits" in {row["name"] for row in json.loads(done.stdout)}


def test_usage_is_in_node_seconds_by_experiment(online: Treering) -> None:
    for by in ("experiment", "actor", "day", "workspace"):
        assert all(by in row and "node_seconds" in row for row in rows(online, "usage", "--by", by))


def test_a_query_that_is_followed_goes_on_with_what_comes(online: Treering, installation: Path, made: str) -> None:
    # Given a query that is followed, and its rows until now,
    command = [sys.executable, "-m", "treering.cli.main", "audit", "query", "--type", "experiment.*", "-F", "-r", "1"]
    environment = {**os.environ, "TREERING_HOME": str(installation)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            before = json.loads(process.stdout.readline())
            # when an experiment and something else is made, then the experiment comes, once, and after the others.
            online("compute", "create", f"c-{made}")
            online("experiment", "create", f"new-{made}")
            new = json.loads(process.stdout.readline())
        finally:
            process.kill()
    assert new["name"] == f"new-{made}" and new["position"] > before["position"]
