"""``treering model`` against an installation that runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Treering, answer

JOB = """
command: mkdir -p ${{outputs.model}}/net; echo weights > ${{outputs.model}}/net/w.bin; cat ${{inputs.data}}
environment:
  python: "3.11"
inputs:
  data:
    type: uri_file
    path: data.txt
outputs:
  model:
    type: custom_model
"""
MODEL = """
name: taxi
path: net
type: custom_model
description: from a file
tags: {team: blue}
properties: {size: 3}
"""


@pytest.fixture
def net(tmp_path: Path) -> Path:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "w.bin").write_text("weights\n")
    (tmp_path / "model.yml").write_text(MODEL)
    return tmp_path / "net"


def refused(online: Treering, code: str, *arguments: str) -> str:
    done = online(*arguments)
    assert done.returncode == 1 and done.stderr.endswith(f"({code})\n"), done.stderr
    return done.stderr


def test_a_model_from_yaml_gets_the_next_number_and_comes_back_byte_for_byte(
    online: Treering, net: Path, tmp_path: Path
) -> None:
    made = [answer(online, "model", "create", "-f", str(net.parent / "model.yml"), "-n", "bytes") for _ in range(2)]
    assert [one["version"] for one in made] == ["1", "2"] and made[0]["digest"] == made[1]["digest"]
    assert made[0]["tags"] == {"team": "blue"} and made[0]["properties"] == {"size": "3"}
    answer(online, "model", "download", "-n", "bytes:1", "-p", str(tmp_path / "out"))
    assert (tmp_path / "out" / "bytes" / "w.bin").read_text() == "weights\n"


def test_a_label_moves_and_latest_is_the_highest_number_that_is_not_archived(online: Treering, net: Path) -> None:
    for _ in range(2):
        answer(online, "model", "create", "-n", "labels", "-p", str(net))
    assert answer(online, "model", "label", "-n", "labels", "-v", "1", "-l", "champion")["version"] == "1"
    assert answer(online, "model", "show", "-n", "labels@champion")["version"] == "1"
    assert answer(online, "model", "show", "-n", "labels", "--label", "latest")["version"] == "2"
    assert answer(online, "model", "archive", "-n", "labels:2")["status"] == "archived"
    assert answer(online, "model", "show", "-n", "labels")["version"] == "1"
    assert [one["version"] for one in answer(online, "model", "list", "-n", "labels")] == ["1"]
    assert "it has champion, latest" in refused(online, "model.absent", "model", "show", "-n", "labels@other")


def test_a_list_of_models_says_the_latest_version_that_is_there_now_or_then(online: Treering, net: Path) -> None:
    made = [answer(online, "model", "create", "-n", "latest", "-p", str(net)) for _ in range(3)]
    answer(online, "model", "label", "-n", "latest:3", "-l", "best")
    then = str(answer(online, "show", "registered_model/latest")["position"])
    answer(online, "model", "delete", "-n", "latest:3")
    answer(online, "model", "archive", "-n", "latest:2")

    def listed(*arguments: str) -> list[Any]:
        rows = answer(online, "model", "list", *arguments)
        return [(one["latest version"], one["labels"]) for one in rows if one["name"] == "latest"]

    assert listed() == [("1", "")] and listed("--at", then) == [("3", "best=3")]
    assert listed("--at", str(made[0]["position"])) == [("1", "")]
    versions = answer(online, "model", "list", "-n", "latest", "--at", then)
    assert [one["version"] for one in versions] == ["3", "2", "1"]
    for name in ("latest@best", "latest"):
        assert answer(online, "model", "show", "-n", name, "--at", then)["version"] == "3"
    refused(online, "model.absent", "model", "show", "-n", "latest@best")
    refused(online, "model.absent", "model", "show", "-n", "latest@best", "--at", str(made[0]["position"]))


def test_the_id_of_a_version_is_a_reference_as_azure_writes_it(online: Treering, net: Path) -> None:
    answer(online, "model", "create", "-n", "ids", "-p", str(net))
    made = answer(online, "model", "create", "-n", "ids", "-v", "2024-01-01", "-p", str(net))
    assert made["id"].endswith("/workspaces/main/models/ids/versions/2024-01-01") and made["version"] == "2024-01-01"
    assert answer(online, "model", "create", "-n", "from-id", "-p", made["id"])["digest"] == made["digest"]
    [listed] = [one for one in answer(online, "model", "list") if one["name"] == "ids"]
    assert made["id"] == f"{listed['id']}/versions/2024-01-01" and listed["latest version"] == "2"


def test_a_deleted_version_keeps_its_number_and_can_be_restored(online: Treering, net: Path) -> None:
    answer(online, "model", "create", "-n", "gone", "-p", str(net))
    assert answer(online, "model", "delete", "-n", "gone:1")["status"] == "deleted"
    refused(online, "model.exists", "model", "create", "-n", "gone", "-v", "1", "-p", str(net))
    assert answer(online, "model", "restore", "-n", "gone:1")["status"] == "active"


def test_a_model_of_a_jobs_output_leads_back_to_code_data_and_environment_and_forth(
    online: Treering, tmp_path: Path
) -> None:
    (tmp_path / "data.txt").write_text("data\n")
    (tmp_path / "job.yml").write_text(JOB)
    done = online("job", "create", "-f", str(tmp_path / "job.yml"), "-n", "trainer", "--stream")
    assert done.returncode == 0, done.stderr
    path = "azureml://jobs/trainer/outputs/model/paths/net"
    made = answer(online, "model", "create", "-n", "trained", "-p", path)
    lineage = answer(online, "model", "show", "-n", "trained")["lineage"]
    assert lineage["job"]["name"] == "trainer" and lineage["run"]["run_id"] == "trainer"
    assert lineage["environment"]["python"] == "3.11" and lineage["source"] == path
    job = answer(online, "job", "show", "-n", "trainer")
    assert lineage["data"] == [{"name": "data", "path": "data.txt", "digest": job["inputs"]["data"]["digest"]}]
    assert job["models"] == [f"trained:{made['version']}"]
    answer(online, "model", "download", "-n", "trained", "-p", str(tmp_path / "out"))
    assert (tmp_path / "out" / "trained" / "w.bin").read_text() == "weights\n"
    said = refused(
        online, "model.output_absent", "model", "create", "-n", "t", "-p", "azureml://jobs/trainer/outputs/x"
    )
    assert "it has default, model" in said or "it has model" in said


NAMED = """
command: echo weights > ${{outputs.net}}/w.bin; echo x > ${{outputs.flow}}/x
environment: {python: "3.11"}
outputs:
  net: {type: custom_model, name: from-output}
  rows: {type: uri_folder, name: my-rows}
  flow: {type: mlflow_model, name: no-mlmodel}
"""


def test_a_named_output_of_a_job_is_a_model_when_the_job_is_completed_or_its_watcher_hears_why_not(
    online: Treering, tmp_path: Path
) -> None:
    (tmp_path / "job.yml").write_text(NAMED)
    done = online("job", "create", "-f", str(tmp_path / "job.yml"), "-n", "named", "--stream")
    assert done.returncode == 0, done.stderr
    assert (
        "note: outputs.rows.name is not carried out: only models are registered so far" in done.stderr
        and "outputs.net" not in done.stderr
    )
    assert "output net is model azureml:from-output:1\n" in done.stderr
    assert "warning: output flow is not registered as a model: " in done.stderr and "model.mlmodel" in done.stderr
    job = answer(online, "job", "show", "-n", "named")
    assert "outputs.flow is not registered: " in job["notes"][-1] and "model.mlmodel" in job["notes"][-1]
    assert job["outputs"]["net"]["registered"] == "azureml:from-output:1" and job["models"] == ["from-output:1"]
    assert answer(online, "model", "show", "-n", "from-output")["lineage"]["job"]["name"] == "named"
    [made] = [row for row in answer(online, "story", "model/from-output:1") if row["type"] == "model.created"]
    assert (made["because"]["type"], made["because"]["name"]) == ("job.completed", "named")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["-n", "m", "-p", "nowhere"], "model.path"),
        (["-n", "m", "-p", ".", "-t", "mlflow_model"], "model.path"),
        (["-n", "m", "-p", ".", "-v", "0"], "model.version"),
        (["-n", "../m", "-p", "."], "name.invalid"),
        (["-n", "m", "-p", "https://example.org/m"], "model.path"),
        (["-n", "m", "-p", "EMPTY"], "model.empty"),
        (["-n", "m", "-p", "azureml://jobs/none/outputs/o"], "job.absent"),
    ],
)
def test_what_cannot_be_a_model_is_refused_in_one_line(
    online: Treering, tmp_path: Path, arguments: list[str], code: str
) -> None:
    said = [one.replace("EMPTY", str(tmp_path)) for one in arguments]
    refused(online, code, "model", "create", *said)
