"""A list that stops says that there is more, on standard error; one that is whole says nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Treering, answer

import treering.cli
from treering.cli.notes import first

NOTE = "note: only the first 1 are shown, and there are more: "
LISTS = [
    ("job", "list"),
    ("run", "list"),
    ("run", "list", "--at", "0s"),
    ("experiment", "list"),
    ("workspace", "list"),
    ("audit", "query"),
    ("audit", "ask", "changed"),
    ("story", "job/l1"),
    ("diff", "workspace", "--from", "0"),
]


@pytest.mark.parametrize(("there", "count", "said"), [(3, 2, True), (2, 2, False), (0, 2, False)])
def test_more_is_said_only_where_there_is_more(
    capsys: pytest.CaptureFixture[str], there: int, count: int, said: bool
) -> None:
    assert first(iter(range(there)), count) == [*range(min(there, count))]
    assert bool(capsys.readouterr().err) is said


def test_every_list_of_a_length_says_so(online: Treering, tmp_path: Path) -> None:
    (tmp_path / "job.yml").write_text("command: 'true'\nenvironment: {python: '3.11'}\n")
    for name, experiment in (("l1", "e1"), ("l2", "e2")):
        sets = ("--set", f"experiment_name={experiment}")
        answer(online, "job", "create", "-f", str(tmp_path / "job.yml"), "-n", name, *sets)
    answer(online, "workspace", "create", "-n", "another")
    for words in LISTS:
        done = online(*words, "-r", "1")
        assert done.returncode == 0 and NOTE in done.stderr, (words, done.stderr)
    assert "are shown" not in online("job", "list", "-r", "900").stderr


def test_no_file_of_verbs_with_a_length_forgets_it() -> None:
    """``audit sql`` is told by the server; ``first`` tells all others."""
    for file in Path(treering.cli.__file__).parent.glob("*.py"):
        text = file.read_text()
        assert '"--max-results"' not in text or "first(" in text, file.name
