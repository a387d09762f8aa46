"""The command line against an installation that runs: jobs from submission to download, and what it tells of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.cli.conftest import Treering, answer

from treering.cli.people import names_of

JOB = """
command: |
  cat ${{inputs.data}} main.py; mkdir -p outputs; echo kept > outputs/a.txt; echo made > ${{outputs.model}}/m.txt
code: src
environment:
  python: "3.11"
inputs:
  data:
    type: uri_file
    path: data.txt
outputs:
  model:
    type: uri_folder
experiment_name: cli
tags:
  team: blue
"""


@pytest.fixture
def job_file(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "main.py").write_text("print('code')\n")
    (tmp_path / "data.txt").write_text("data\n")
    (tmp_path / "job.yml").write_text(JOB)
    return tmp_path / "job.yml"


def test_a_running_installation_is_ready(online: Treering) -> None:
    assert answer(online, "status")["ready"] is True


def test_a_streamed_job_shows_its_console_and_is_exit_0(online: Treering, job_file: Path) -> None:
    done = online("job", "create", "-f", str(job_file), "--stream")
    assert done.returncode == 0, done.stderr
    assert "data\nprint('code')\n" in done.stdout
    assert "is Completed" in done.stderr


def test_a_job_that_fails_is_exit_1_and_says_why(online: Treering, job_file: Path) -> None:
    done = online("job", "create", "-f", str(job_file), "--set", "command=exit 7", "--stream")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("the command exited with code 7 (exit_code)")


def test_show_has_the_shape_az_gives(online: Treering, job_file: Path) -> None:
    online("job", "create", "-f", str(job_file), "-n", "shaped", "--stream")
    job = answer(online, "job", "show", "-n", "shaped")
    assert (job["name"], job["type"], job["status"]) == ("shaped", "command", "Completed")
    done = online("job", "cancel", "shaped")
    assert done.returncode == 0 and "job shaped has ended already (Completed): there is nothing to" in done.stderr
    assert (job["experiment_name"], job["tags"], job["properties"]["attempt"]) == ("cli", {"team": "blue"}, 1)
    assert job["outputs"]["model"]["files"] == 1
    assert {"created_at", "created_by"} <= job["creation_context"].keys()


def test_outputs_and_logs_are_downloaded_whole(online: Treering, job_file: Path, tmp_path: Path) -> None:
    online("job", "create", "-f", str(job_file), "-n", "kept", "--stream")
    answer(online, "job", "download", "kept", "--all", "-p", str(tmp_path / "got"))
    got = {str(path.relative_to(tmp_path / "got")) for path in (tmp_path / "got").rglob("*") if path.is_file()}
    assert got == {"artifacts/outputs/a.txt", "artifacts/user_logs/std_log.txt", "named-outputs/model/m.txt"}
    assert (tmp_path / "got/named-outputs/model/m.txt").read_text() == "made\n"


def test_without_all_a_download_is_what_az_brings_and_says_what_it_left(
    online: Treering, job_file: Path, tmp_path: Path
) -> None:
    online("job", "create", "-f", str(job_file), "-n", "left", "--stream")
    done = online("job", "download", "left", "-p", str(tmp_path / "got"))
    got = {str(path.relative_to(tmp_path / "got")) for path in (tmp_path / "got").rglob("*") if path.is_file()}
    assert got == {"artifacts/outputs/a.txt", "artifacts/user_logs/std_log.txt"}
    assert done.returncode == 0 and "note: not brought: model; --all brings them" in done.stderr
    online("job", "download", "left", "--output-name", "model", "-p", str(tmp_path / "one"))
    one = {str(path.relative_to(tmp_path / "one")) for path in (tmp_path / "one").rglob("*") if path.is_file()}
    assert one == {"named-outputs/model/m.txt"}


def test_the_same_job_again_is_told_and_another_of_its_name_is_refused(online: Treering, job_file: Path) -> None:
    create = ("job", "create", "-f", str(job_file), "-n", "submitted-twice")
    first = online(*create)
    assert first.returncode == 0 and "is there already" not in first.stderr
    done = online(*create)
    assert done.returncode == 0 and "note: job submitted-twice is there already, the same, and is " in done.stderr
    other = online(*create, "--set", "tags.team=red")
    assert other.returncode == 1 and "exists already, and differs in tags; choose another name" in other.stderr


def test_a_waiting_or_running_job_can_be_canceled(online: Treering, job_file: Path) -> None:
    online("job", "create", "-f", str(job_file), "-n", "stopped", "--set", "command=sleep 600")
    assert online("job", "cancel", "stopped").returncode == 0
    done = online("job", "stream", "stopped")
    assert done.returncode == 1
    assert "is Canceled" in done.stderr


def test_an_archived_job_is_hidden_until_restored(online: Treering, job_file: Path) -> None:
    online("job", "create", "-f", str(job_file), "-n", "hidden", "--stream")
    answer(online, "job", "archive", "hidden")
    listed = ("job", "list", "--prefix", "hidden", "--query", "[].name")
    assert answer(online, *listed) == []
    assert answer(online, *listed, "--archived-only") == ["hidden"]
    answer(online, "job", "restore", "hidden")
    assert answer(online, *listed) == ["hidden"]


def test_an_update_changes_one_tag_and_keeps_the_others(online: Treering, job_file: Path) -> None:
    online("job", "create", "-f", str(job_file), "-n", "tagged")
    tags = answer(online, "job", "update", "tagged", "--set", "tags.x=y", "--query", "tags")
    assert tags == {"team": "blue", "x": "y"}


def test_the_story_of_what_never_was_is_refused(online: Treering) -> None:
    done = online("story", "job/never")
    assert (done.returncode, "(job.absent)" in done.stderr) == (1, True)


def test_the_past_and_the_story_of_a_resource(online: Treering) -> None:
    answer(online, "workspace", "create", "old", "--tags", "a=b")
    position = answer(online, "show", "workspace/old", "--query", "position")
    answer(online, "workspace", "update", "old", "--set", "tags.a=c")
    assert answer(online, "show", "workspace/old", "--at", str(position), "--query", "tags") == {"a": "b"}
    types = answer(online, "story", "workspace/old", "--query", "[].type")
    assert types == ["workspace.created", "workspace.updated"]
    found = answer(online, "audit", "query", "-w", "old", "--kind", "workspace", "--query", "[].type")
    assert found == types[::-1]


def test_a_new_home_begins_with_an_epoch_of_its_own(online: Treering) -> None:
    first = json.loads(online("events", "--kind", "installation").stdout.splitlines()[0])
    assert (first["type"], first["data"]["after"]) == ("installation.epoch_begun", 0)
    assert first["id"] == f"{first['data']['epoch']}:1.0"


def test_published_events_come_back_once(online: Treering) -> None:
    event = json.dumps({"id": "1", "source": "ci", "type": "build.done", "data": {"ok": True}})
    for _ in range(2):
        assert online("events", "publish", "-f", "-", input=event).returncode == 0
    lines = online("events", "--type", "build.done").stdout.splitlines()
    assert [json.loads(line)["data"] for line in lines] == [{"ok": True}]


def test_events_are_shown_as_asked_for_and_published_ones_are_marked(online: Treering) -> None:
    event = json.dumps({"id": "shown", "source": "/ci", "type": "build.shown", "subject": "workspace/main"})
    assert online("events", "publish", "-f", "-", input=event).returncode == 0
    asked = ("events", "--type", "build.shown,workspace.created")
    table = online(*asked, "-o", "table").stdout.splitlines()
    assert table[0].split() == ["At", "Event", "Of", "By", "Position", "Source"] and len(table) == 3
    assert table[1].split()[3] == "workspace.created" and "build.shown (published)" in table[2]
    assert online(*asked, "--query", "type").stdout.splitlines() == ['"workspace.created"', '"build.shown"']
    assert online(*asked, "-o", "csv").stdout.splitlines()[0] == "time,event,subject,actor,position,source"
    found = answer(online, "audit", "query", "--type", "build.shown")
    assert [(row["type"], row["published"]) for row in found] == [("event.published", "build.shown")]
    assert "build.shown (published)" in online("story", "workspace/main", "-o", "table").stdout


def test_a_workspace_that_is_not_there_is_refused_by_every_question(online: Treering) -> None:
    questions = (
        ("job", "list"), ("experiment", "list"), ("events",), ("audit", "query"), ("audit", "count"), ("usage",),
        ("stuck",),
        ("audit", "ask", "changed"), ("story", "job/j"), ("show", "job/j"), ("lifecycle", "job"), ("diff", "workspace"),
        ("lifecycle", "job", "--by", "parent"), ("diff", "job/j"),
    )  # fmt: skip
    for question in questions:
        done = online(*question, "-w", "nope")
        assert done.returncode == 1 and "there is no workspace 'nope'; there are" in done.stderr, (question, done)
    done = online("audit", "sql", "SELECT 1", "-w", "nope")
    assert done.returncode == 2 and "WHERE workspace" in done.stderr


def test_what_happened_within_a_second_is_told_apart(online: Treering) -> None:
    name = "within"
    for arguments in (("create", name), ("archive", name)):
        assert online("experiment", *arguments).returncode == 0
    lines = online("story", f"experiment/{name}", "-o", "table").stdout.splitlines()[2:]
    assert len(lines) == 2 and all(
        re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [+-]\d\d:\d\d ", line) for line in lines
    )


def test_a_difference_of_a_workspace_names_people(online: Treering, installation: Path) -> None:
    people = names_of(installation)
    online("experiment", "create", "named")
    text = online("diff", "workspace", "--kind", "experiment", "-o", "table").stdout
    assert people and all(id not in text and name in text for id, name in people.items())


def test_a_refused_event_is_exit_1(online: Treering) -> None:
    done = online("events", "publish", "-f", "-", input='{"id": "1"}')
    assert done.returncode == 1
    assert "event.malformed" in done.stderr


def test_an_environment_gets_versions_and_the_latest_is_shown(online: Treering, tmp_path: Path) -> None:
    file = tmp_path / "env.yml"
    file.write_text("name: lib\npython: '3.11'\n")
    answer(online, "environment", "create", "-f", str(file))
    file.write_text("name: lib\npython: '3.11'\nrequirements: [six]\n")
    answer(online, "environment", "create", "-f", str(file))
    assert answer(online, "environment", "show", "lib", "--query", "version") == "2"
    assert answer(online, "environment", "show", "-n", "lib", "--version", "1", "--query", "name") == "lib"


def test_a_workspace_is_updated_by_its_options_its_yaml_and_set(online: Treering, tmp_path: Path) -> None:
    answer(online, "workspace", "create", "-n", "updated", "--description", "old")
    said = answer(online, "workspace", "update", "updated", "--display-name", "Ö", "--description", "")
    assert (said["display_name"], said["description"]) == ("Ö", "")
    (tmp_path / "w.yml").write_text("description: from the file\nlocation: eastus\n")
    done = online("workspace", "update", "-n", "updated", "-f", str(tmp_path / "w.yml"), "--set", "tags.a=1")
    assert done.returncode == 0 and "note: location is about a cloud" in done.stderr
    said = answer(online, "workspace", "show", "updated")
    assert (said["display_name"], said["description"], said["tags"]) == ("Ö", "from the file", {"a": "1"})
    assert online("workspace", "update", "-n", "updated").returncode == 2


def test_a_job_is_written_where_save_as_says_and_can_be_submitted_from_there(
    online: Treering, job_file: Path, tmp_path: Path
) -> None:
    saved = tmp_path / "saved.yml"
    answer(online, "job", "create", "-f", str(job_file), "-n", "saved", "--save-as", str(saved))
    assert answer(online, "job", "create", "-f", str(saved), "-n", "saved-again")["experiment_name"] == "cli"
    refused = online("job", "create", "-f", str(job_file), "-n", "unsaved", "-a", str(tmp_path / "no" / "x.yml"))
    assert "(file.unwritable)" in refused.stderr
    assert online("job", "show", "unsaved").returncode == 1


def test_lists_take_the_words_of_az(online: Treering) -> None:
    everything = answer(online, "job", "list", "--all-results", "--include-archived", "true")
    assert len(everything) >= len(answer(online, "job", "list", "--all-results", "false", "-r", "1")) == 1
    assert answer(online, "job", "list", "--archived-only", "true", "--query", "[?!archived]") == []
    assert answer(online, "compute", "list", "--type", "AmlCompute", "--query", "[?compute_type!='nodes']") == []
    assert answer(online, "compute", "list", "-t", "local", "--query", "[].name") == ["local"]
    assert online("compute", "list", "-t", "kubernetes", "-o", "tsv").stdout == ""


def test_a_compute_target_is_created_as_with_az(online: Treering) -> None:
    created = answer(online, "compute", "create", "-n", "c1", "--type", "amlcompute", "--max-instances", "3")
    assert created["nodes_max"] == 3
    assert answer(online, "compute", "delete", "-n", "c1", "-y", "--query", "status") == "deleted"


def test_the_log_is_verified_by_the_running_monitor(online: Treering) -> None:
    assert answer(online, "log", "verify")["ok"] is True


def test_a_running_log_is_not_restored(online: Treering) -> None:
    done = online("log", "restore", "--yes")
    assert done.returncode == 1
    assert "(log.in_use)" in done.stderr
