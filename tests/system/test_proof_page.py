"""docs/proof.md says what really happens: its commands are run in a shell, and their answers are those on the page."""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs" / "proof.md"
SESSION = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
END = "--- the answer of command"
TIMEOUT_SECONDS = 240.0


def steps() -> list[tuple[str, str]]:
    """Each command of the page's sessions with the answer that stands below it."""
    lines = "".join(SESSION.findall(PAGE.read_text())).splitlines(keepends=True)
    found: list[tuple[str, str]] = []
    for line in lines:
        if line.startswith("$ "):
            found.append((line[2:].rstrip("\n"), ""))
        else:
            command, answer = found.pop()
            found.append((command, answer + line))
    return found


def answers(commands: list[str], folder: Path) -> list[str]:
    """What a shell answers to each command, with what it says on standard error."""
    script = "exec 2>&1\n" + "".join(f"{command}\necho '{END} {n}'\n" for n, command in enumerate(commands))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TREERING_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env={**kept, "PATH": path, "TREERING_HOME": str(folder / "home"), "PYTHONIOENCODING": "utf-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    found, rest = [], done.stdout
    for number in range(len(commands)):
        answer, mark, rest = rest.partition(f"{END} {number}\n")
        assert mark, f"the shell ended at {commands[number]!r}: {answer}"
        found.append(answer)
    return found


def test_the_page_says_what_really_happens(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / "tools" / "verify_proof.py", tmp_path)
    page = steps()
    assert len(page) > 20
    got = answers([command for command, _ in page], tmp_path)
    checker = doctest.OutputChecker()
    for (command, expected), answer in zip(page, got, strict=True):
        assert checker.check_output(expected, answer, doctest.ELLIPSIS), f"$ {command}\n{answer}"
