"""A compute target is deleted only by who agreed, every door says afterwards that it is gone, and it can come back."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Treering, answer

from treering.cli.compute_state import again, check_there
from treering.cli.confirm import confirm
from treering.kernel.refusal import Refused

JOB = "command: echo hi\nenvironment:\n  python: '3.11'\ncompute: c-gone\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("typed", ["y\n", "YES\n", "what?\n\ny\n"])
def test_who_agrees_on_a_terminal_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    confirm("Delete it?", yes=False)
    said = capsys.readouterr()
    assert said.err.startswith("Delete it? (y/n): ") and said.out == ""


@pytest.mark.parametrize("typed", ["n\n", "", "a\nb\nc\ny\n"])
def test_who_does_not_agree_changes_nothing(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    with pytest.raises(Refused, match="nothing was changed"):
        confirm("Delete it?", yes=False)


def test_what_was_deleted_is_told_with_the_command_that_makes_it_again() -> None:
    def deleted(name: str, **state: object) -> dict[str, object]:
        return {"name": name, "status": "deleted", "changed_at": "T", "state": state}

    assert again(deleted("local", compute_type="local")) == "treering compute create -n local -t local"
    assert again(deleted("gpu", nodes_max=3)) == "treering compute create -n gpu --max-instances 3"
    assert again(deleted("a", alias_of="gpu")) == "treering compute alias a gpu"
    with pytest.raises(Refused, match="was deleted at T; `treering compute alias a gpu` makes it again"):
        check_there(deleted("a", alias_of="gpu"))


def test_a_deletion_needs_yes_in_a_pipe_and_tells_whom_it_concerns(online: Treering, tmp_path: Path) -> None:
    (tmp_path / "job.yml").write_text(JOB)
    answer(online, "compute", "create", "-n", "c-gone", "--max-instances", "3")
    answer(online, "job", "create", "-f", str(tmp_path / "job.yml"), "-n", "waits-for-gone")
    answer(online, "compute", "alias", "c-alias", "c-gone")

    asked = online("compute", "delete", "c-gone", input="y\n")
    assert asked.returncode == 1 and asked.stdout == ""
    assert "1 job is queued: waits-for-gone. 1 alias stands for it: c-alias." in asked.stderr
    assert "give --yes (-y) (confirm.no_terminal)" in asked.stderr
    assert answer(online, "compute", "show", "c-gone")["provisioning_state"] == "Succeeded"

    done = online("compute", "delete", "c-gone", "-y", "--query", "status", "-o", "tsv")
    assert (done.returncode, done.stdout) == (0, "deleted\n")
    assert "jobs wait for it and will not run: waits-for-gone" in done.stderr
    assert "`treering compute create -n c-gone --max-instances 3` makes it again" in done.stderr
    assert online("compute", "delete", "c-gone").stderr.startswith("note: compute 'c-gone' was deleted before")

    shown = online("compute", "show", "c-gone")
    assert shown.returncode == 1 and "(compute.deleted)" in shown.stderr
    assert "c-gone" not in answer(online, "compute", "list", "--query", "[].name")
    waiting = answer(online, "job", "show", "waits-for-gone", "--query", "waiting")
    assert waiting.startswith("compute c-gone was deleted: `treering compute create -n c-gone` makes it again")

    again_made = online("compute", "create", "-n", "c-gone", "--query", "provisioning_state", "-o", "tsv")
    assert again_made.stdout == "Succeeded\n"
    waiting = answer(online, "job", "show", "waits-for-gone", "--query", "waiting")
    assert waiting.startswith("waiting for a node: none of compute c-gone is online")
    answer(online, "job", "cancel", "waits-for-gone")


def test_a_target_with_a_node_is_made_again_without_a_note_that_it_has_none(online: Treering) -> None:
    assert "1 node is online: local" in online("compute", "delete", "local").stderr
    assert online("compute", "delete", "local", "--yes").returncode == 0
    try:
        done = online("compute", "create", "-n", "other-name", "--query", "name")
        assert "wait until a node joins it: `treering node join URL -n NAME --compute other-name`" in done.stderr
    finally:
        done = online("compute", "create", "-n", "local", "-t", "local", "--query", "name", "-o", "tsv")
    assert (done.stdout, done.stderr) == ("local\n", "")


def test_a_workspace_and_a_target_are_shown_with_the_facts_that_az_shows(online: Treering) -> None:
    workspace = answer(online, "workspace", "show")
    assert workspace["mlflow_tracking_uri"].startswith("http://127.0.0.1:")
    assert workspace["id"].endswith("/workspaces/main")
    facts = ("name", "display_name", "description", "location", "resource_group", "tags")
    assert [workspace[fact] for fact in facts] == ["main", "Main", "", "local", "treering", {}]
    assert answer(online, "workspace", "list", "--query", "[?name=='main'].mlflow_tracking_uri") == [
        workspace["mlflow_tracking_uri"]
    ]
    compute = answer(online, "compute", "show", "local")
    assert compute["id"] == f"{workspace['id']}/computes/local"
    assert (compute["type"], compute["provisioning_state"]) == ("local", "Succeeded")
