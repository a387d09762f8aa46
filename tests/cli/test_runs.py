"""``treering run`` on what a job's script logged with nothing but the variables it was given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Treering, answer, call

from treering.client.http import Client

# What MLflow's client sends, without it: the variables are those that the client itself reads.
SCRIPT = """
import json, os, sys, urllib.request

URI, RUN = os.environ["MLFLOW_TRACKING_URI"], os.environ["MLFLOW_RUN_ID"]
EXPERIMENT, TOKEN = os.environ["MLFLOW_EXPERIMENT_ID"], os.environ["MLFLOW_TRACKING_TOKEN"]

def ask(method, path, body=None):
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{URI}/api/2.0/{path}", data, headers, method=method)
    with urllib.request.urlopen(request) as reply:
        return json.loads(reply.read() or b"{}")

run = ask("GET", f"mlflow/runs/get?run_id={RUN}")["run"]["info"]
assert run["experiment_id"] == EXPERIMENT and run["status"] == "RUNNING", run
for step in range(3):
    ask("POST", "mlflow/runs/log-metric",
        {"run_id": RUN, "key": "accuracy", "value": float(sys.argv[1]) + step, "timestamp": 1000 + step, "step": step})
ask("POST", "mlflow/runs/log-parameter", {"run_id": RUN, "key": "depth", "value": sys.argv[1]})
ask("PUT", f"mlflow-artifacts/artifacts/{run['artifact_uri'].removeprefix('mlflow-artifacts:/')}/model/a.txt", b"hello")
"""
JOB = """
command: echo trained && python train.py ${{inputs.start}} && mkdir -p outputs && echo kept > outputs/kept.txt
code: src
environment: {python: "3.11"}
experiment_name: runs
inputs: {start: %d}
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, installation: Path) -> list[str]:
    """The names of two jobs that completed, which are the ids of their runs."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "src").mkdir()
    (folder / "src" / "train.py").write_text(SCRIPT)
    names = []
    for start in (1, 5):
        (folder / "job.yml").write_text(JOB % start)
        name = f"trained-{start}"
        done = call(installation, "job", "create", "-f", str(folder / "job.yml"), "--name", name, "--stream")
        assert done.returncode == 0, done.stdout + done.stderr
        names.append(name)
    return names


def test_a_job_logs_to_its_own_run_with_nothing_but_its_variables(online: Treering, runs: list[str]) -> None:
    shown = answer(online, "run", "show", runs[0])
    assert (shown["status"], shown["experiment"], shown["metrics"]) == ("FINISHED", "runs", {"accuracy": 3.0})
    assert shown["params"] == {"start": "1", "depth": "1"}


def test_the_run_and_the_job_are_one_story(online: Treering, runs: list[str]) -> None:
    told = [row["type"] for row in answer(online, "story", f"job/{runs[0]}")]
    assert {"job.submitted", "run.params_logged", "run.artifact_logged", "job.completed"} <= set(told)
    assert told == [row["type"] for row in answer(online, "story", f"run/{runs[0]}")]


def test_runs_are_listed_by_the_grammar_of_mlflow(online: Treering, runs: list[str]) -> None:
    listed = ("run", "list", "-e", "runs")
    assert [one["run_id"] for one in answer(online, *listed)] == runs[::-1]
    better = answer(online, *listed, "--filter", "metrics.accuracy > 4 AND params.depth = '5'")
    assert [one["run_id"] for one in better] == [runs[1]]
    assert [one["run_id"] for one in answer(online, *listed, "--order-by", "metrics.accuracy ASC")] == runs
    table = online(*listed, "-o", "table").stdout.splitlines()
    assert table[0].split()[-1] == "accuracy" and table[2].split()[-1] == "7.0"


def test_a_list_of_runs_is_as_it_was_then(online: Treering, runs: list[str]) -> None:
    told = answer(online, "story", f"job/{runs[0]}")
    at = {row["type"]: str(row["position"]) for row in told}

    def listed(position: str, *more: str) -> Any:
        return answer(online, "run", "list", "-e", "runs", "--at", position, *more)

    assert listed(str(int(at["job.submitted"]) - 1)) == []
    [first] = listed(at["job.submitted"])
    assert (first["run_id"], first["status"], first["params"]) == (runs[0], "SCHEDULED", {"start": "1"})
    [running] = listed(at["run.params_logged"])
    assert running["status"] == "RUNNING" and running["params"]["depth"] == "1" and running["run_seconds"] is None
    [ended] = listed(at["job.completed"])
    assert ended["status"] == "FINISHED" and ended["run_seconds"] > 0
    assert [one["run_id"] for one in listed("2100-01-01T00:00:00")] == runs[::-1]
    assert listed("2100-01-01T00:00:00", "--deleted") == []
    assert online("run", "list", "--at", "7", "--filter", "metrics.a > 1").returncode == 2


def test_what_a_run_took_is_the_same_now_and_then_and_not_called_what_a_job_ran(
    online: Treering, runs: list[str]
) -> None:
    def took(*more: str) -> float:
        rows = answer(online, "run", "list", "-e", "runs", *more)
        return next(float(one["run_seconds"]) for one in rows if one["run_id"] == runs[0])

    completed = next(row for row in answer(online, "story", f"job/{runs[0]}") if row["type"] == "job.completed")
    assert took() == pytest.approx(took("--at", str(completed["position"])), abs=0.002)  # milliseconds of MLflow's
    ran = answer(online, "job", "list", "--experiment", "runs", "--prefix", runs[0])[0]["run_seconds"]
    assert took() >= ran  # it waited and was prepared before
    heads = online("run", "list", "-e", "runs", "-o", "table").stdout.splitlines()[0]
    assert "Took" in heads and "Ran" not in heads
    assert "Ran" in online("job", "list", "-o", "table").stdout.splitlines()[0]


def test_how_long_a_job_had_been_running_is_counted_to_the_moment_asked_for(online: Treering, runs: list[str]) -> None:
    at = {row["type"]: row for row in answer(online, "story", f"job/{runs[0]}")}

    def ran(moment: str) -> float:
        [job] = answer(online, "job", "list", "--experiment", "runs", "--at", moment)
        assert job["status"] == "Running"
        return float(job["run_seconds"])

    started, logged = at["job.started"], at["run.params_logged"]
    assert ran(str(started["position"])) == 0.0
    whole = answer(online, "job", "list", "--experiment", "runs", "--prefix", runs[0])[0]["run_seconds"]
    assert 0.0 < ran(str(logged["position"])) <= whole and ran(logged["at"]) <= whole


def test_runs_and_models_of_another_workspace_are_there_and_nowhere_else(
    online: Treering, installation: Path, tmp_path: Path
) -> None:
    answer(online, "workspace", "create", "-n", "lab")
    (tmp_path / "w.bin").write_text("weights")
    answer(online, "model", "create", "-w", "lab", "-n", "labnet", "-p", str(tmp_path / "w.bin"))
    assert answer(online, "model", "label", "-w", "lab", "-n", "labnet", "-l", "best")["version"] == "1"
    with Client.of_home(installation, "lab") as client:
        run = client.post("/api/2.0/mlflow/runs/create", {"experiment_id": "0", "start_time": 1})["run"]["info"]
        point = {"run_id": run["run_id"], "key": "a", "value": 1.5, "timestamp": 1}
        client.post("/api/2.0/mlflow/runs/log-metric", point)
    [listed] = answer(online, "run", "list", "-w", "lab")
    assert (listed["run_id"], listed["experiment"], listed["metrics"]) == (run["run_id"], "Default", {"a": 1.5})
    assert [one["value"] for one in answer(online, "run", "metrics", "-w", "lab", run["run_id"])] == [1.5]
    assert answer(online, "run", "show", "-w", "lab", run["run_id"])["status"] == "RUNNING"
    assert run["run_id"] not in online("run", "list", "--all").stdout
    assert online("run", "show", run["run_id"]).returncode == 1
    assert online("run", "list", "-w", "none").stderr.endswith("(mlflow.resource_does_not_exist)\n")


def test_a_filter_that_is_none_is_one_clear_line(online: Treering, runs: list[str]) -> None:
    done = online("run", "list", "--filter", "metrics.accuracy >")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "mlflow.invalid_parameter_value" in done.stderr


def test_metrics_are_a_table_or_json_lines(online: Treering, runs: list[str]) -> None:
    points = answer(online, "run", "metrics", runs[0])
    assert [(one["key"], one["step"], one["value"]) for one in points] == [("accuracy", n, n + 1.0) for n in range(3)]
    lines = online("run", "metrics", runs[0], "-k", "accuracy", "--lines").stdout.splitlines()
    assert [json.loads(line) for line in lines] == points
    assert answer(online, "run", "metrics", runs[0], "--last") == points[-1:]


def test_comparing_runs_shows_what_differs(online: Treering, runs: list[str]) -> None:
    rows = {(row["what"], row["key"]): (row[runs[0]], row[runs[1]]) for row in answer(online, "run", "compare", *runs)}
    assert rows["metric", "accuracy"] == (3.0, 7.0) and rows["param", "depth"] == ("1", "5")
    assert ("fact", "status") not in rows
    assert online("run", "compare", runs[0], runs[0]).returncode == 2


def test_what_the_job_left_is_among_the_artifacts_of_its_run(installation: Path, runs: list[str]) -> None:
    with Client.of_home(installation) as client:

        def listed(path: str) -> list[str]:
            answer = client.get(f"/api/2.0/mlflow/artifacts/list?run_id={runs[0]}&path={path}")
            return [one["path"] for one in answer.get("files", [])]

        def read(path: str) -> bytes:
            return client.ask("GET", f"/get-artifact?run_id={runs[0]}&path={path}")

        assert listed("") == ["model", "outputs", "user_logs"]
        assert listed("outputs") == ["outputs/kept.txt"] and listed("user_logs") == ["user_logs/std_log.txt"]
        assert (read("outputs/kept.txt"), read("model/a.txt")) == (b"kept\n", b"hello")
        assert b"trained\n" in read("user_logs/std_log.txt")
