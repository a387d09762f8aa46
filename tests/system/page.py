"""Pages of docs/ whose console sessions are run: each command in one shell, each answer compared with the page."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
SESSION = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
END = "--- the answer of command"


def steps(page: Path) -> list[tuple[str, str]]:
    """Each command of the page's sessions with the answer that stands below it."""
    lines = "".join(SESSION.findall(page.read_text())).splitlines(keepends=True)
    found: list[tuple[str, str]] = []
    for line in lines:
        if line.startswith("$ "):
            found.append((line[2:].rstrip("\n"), ""))
        else:
            command, answer = found.pop()
            found.append((command, answer + line))
    return found


def answers(commands: list[str], folder: Path, timeout_seconds: float) -> list[str]:
    """What a shell in ``folder`` answers to each command, with what it says on standard error."""
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
        timeout=timeout_seconds,
        check=False,
    )
    found, rest = [], done.stdout
    for number in range(len(commands)):
        answer, mark, rest = rest.partition(f"{END} {number}\n")
        assert mark, f"the shell ended at {commands[number]!r}: {answer}"
        found.append(answer)
    return found


def check(page: Path, folder: Path, *, steps_min: int, timeout_seconds: float) -> None:
    """AssertionError with the first command whose answer is not the one on the page."""
    said = steps(page)
    assert len(said) >= steps_min
    got = answers([command for command, _ in said], folder, timeout_seconds)
    checker = doctest.OutputChecker()
    for (command, expected), answer in zip(said, got, strict=True):
        assert checker.check_output(expected, answer, doctest.ELLIPSIS), f"$ {command}\n{answer}"
