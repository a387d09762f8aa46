"""docs/proof.md says what really happens: its commands are run in a shell, and their answers are those on the page."""

from __future__ import annotations

import ast
import re
import shutil
from pathlib import Path

from tests.system.page import REPOSITORY, check

# What differs from case to case.
VALUE = re.compile(
    r"\.\.\.|\b[NM]\b|keys/log\.key|the second copy|the log\b|the signed checkpoint|the witness"
    r"|(?:the stream )?of (?:the )?metric points"
)


def test_the_page_says_what_really_happens(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / "tools" / "verify_proof.py", tmp_path)
    check(REPOSITORY / "docs" / "proof.md", tmp_path, steps_min=21, timeout_seconds=480.0)


def sentences() -> str:
    """What the adapters say, with a star for each value in it."""
    said = list[str]()
    for file in (REPOSITORY / "libs" / "treering" / "adapters").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.JoinedStr):
                said.append("".join(str(one.value) if isinstance(one, ast.Constant) else "*" for one in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                said.append(node.value)
    return "\n".join(said)


def test_the_words_of_a_refused_start_on_the_page_are_those_that_are_said() -> None:
    page, said = (REPOSITORY / "docs" / "proof.md").read_text(), sentences()
    table = page.partition("## When a start is refused")[2].partition("\n\nWhen")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    words = [part.strip() for row in rows for quoted in re.findall("`([^`]+)`", row) for part in VALUE.split(quoted)]
    assert len(rows) >= 16
    assert [one for one in words if one and one not in said] == []
