"""A job that is watched and does not begin says what it waits for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Treering

from treering.cli import stages
from treering.cli.job_wait import why_waiting
from treering.cli.session import Session
from treering.cli.stages import Stages

JOB = 'command: sleep 600\nenvironment: {python: "3.11"}\n'
NO_NODE = (
    "waiting for a node: none of compute local is online; "
    "`treering up` runs one, `treering node join URL -n NAME --compute local` makes another machine one"
)
ALL_IN_USE = "waiting for a free slot on local: 2 of 2 in use"


def job(name: str, status: str, node: str = "", compute: str = "local") -> dict[str, Any]:
    spec = {} if compute == "local" else {"compute": compute}  # as the gateway leaves out what is as by default
    return {"name": name, "status": status, "state": {"node": node, "spec": spec}}


def node(name: str, slots: int, compute: str = "local") -> dict[str, Any]:
    return {"name": name, "state": {"slots": slots, "compute": compute}}


RUNNING = [job("a", "Running", "n"), job("b", "Finalizing", "n"), job("c", "Running", "other", "far")]
AHEAD = [job("d", "Preparing", "n"), job("e", "Preparing", "n")]


@pytest.mark.parametrize(
    ("waiting", "nodes", "jobs", "said"),
    [
        (job("j", "Queued"), [], [], NO_NODE),
        (job("j", "Queued"), [node("other", 4, "far")], RUNNING, NO_NODE),
        (job("j", "Queued"), [node("n", 3)], RUNNING, ""),
        (job("j", "Queued"), [node("n", 2)], RUNNING, ALL_IN_USE),
        (
            job("j", "Queued"), [node("n", 2)], RUNNING + AHEAD,
            f"{ALL_IN_USE}, and 2 prepared for the next",
        ),
        (job("d", "Preparing", "n"), [node("n", 2)], RUNNING + AHEAD, ALL_IN_USE),
        (job("d", "Preparing", "n"), [node("n", 3)], RUNNING + AHEAD, ""),
    ],
)  # fmt: skip
def test_what_a_job_waits_for(waiting: Any, nodes: list[Any], jobs: list[Any], said: str) -> None:
    assert why_waiting(waiting, nodes, jobs) == said


def test_a_job_of_a_second_workspace_is_told_that_the_node_of_up_is_not_its_own() -> None:
    said = why_waiting({**job("j", "Queued"), "workspace": "ws2"}, [], [])
    run = "`treering service executor -w ws2 --node NAME --compute local`"
    assert said.endswith(f"the node of `treering up` is in workspace main; {run} runs one for ws2")


def test_local_is_offered_instead_only_where_it_has_a_node() -> None:
    waiting = job("j", "Queued", compute="far")
    assert why_waiting(waiting, [node("n", 2)], []).endswith(", or submit it with --set compute=local")
    assert "--set" not in why_waiting(waiting, [], [])


def test_a_reason_is_told_once_however_long_it_lasts_and_when_it_comes_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reasons = iter(["for a node", "for a node", "", "for a slot", "for a node", "for a slot"])
    display = Stages({"name": "j", "status": "Queued", "timeline": [("Queued", "")]})

    def next_reason(*_: object) -> str:
        if (why := next(reasons, None)) is None:
            display.over.set()
        return why or ""

    monkeypatch.setenv("TREERING_URL", "http://127.0.0.1:1")  # which nothing asks
    monkeypatch.setattr(stages, "WAITING_LOOK_SECONDS", 0)
    monkeypatch.setattr(stages, "ask_why_waiting", next_reason)
    display.tell_why_it_waits(Session(home=Path("/nowhere")))
    assert capsys.readouterr().err.splitlines() == ["treering: for a node", "treering: for a slot"]


def test_a_note_begins_a_line_where_it_is_shown_among_those_of_the_job(tmp_path: Path) -> None:
    """Only there: in a pipe of its own the console is what the job wrote."""
    wrote = "from treering.cli.stages import Stages as S; s = S({'name': 'j', 'timeline': []}); s.write('no end')"
    command = [sys.executable, "-c", f"{wrote}; s.note('Completed'); s.note('over')"]
    one = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True).stdout
    assert one == b"no end\ntreering: Completed\ntreering: over\n"
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"no end"


def test_a_watched_job_without_a_slot_says_that_it_waits_for_one(
    online: Treering, installation: Path, tmp_path: Path
) -> None:
    file = tmp_path / "job.yml"
    file.write_text(JOB)
    for name in ("takes-a-slot", "takes-another"):
        assert online("job", "create", "-f", str(file), "-n", name).returncode == 0
    command = [
        sys.executable,
        "-m",
        "treering.cli.main",
        "job",
        "create",
        "-f",
        str(file),
        "-n",
        "waits-for-one",
        "--stream",
    ]
    variables = {**os.environ, "TREERING_HOME": str(installation)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=variables, text=True) as watching:
        assert watching.stderr is not None
        try:
            assert any(ALL_IN_USE in line for line in watching.stderr)
        finally:
            watching.terminate()
            for name in ("takes-a-slot", "takes-another", "waits-for-one"):
                online("job", "cancel", name)
