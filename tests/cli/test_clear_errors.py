"""What is said wrongly, or cannot be written, is one clear line: no errno, no traceback."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Treering

VERIFIER = Path(__file__).parents[2] / "tools" / "verify_proof.py"


def one_line(stderr: str) -> str:
    line = stderr.strip().splitlines()[-1]
    assert "Traceback" not in stderr and "[Errno" not in stderr, stderr
    return line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("audit", "prove", "experiment/x", "--event", "foo", "-o", "x"),
            "'foo' is no position: a whole number",
        ),
        (("audit", "prove", "experiment/x", "--event", "0", "-o", "x"), "'0' is no position"),
        (("up", "--port", "99999"), "'99999' is no port: a whole number from 0 to 65535"),
        (("up", "--port", "http"), "'http' is no port"),
        (("restore", "/nowhere/at/all"), "'/nowhere/at/all' does not exist"),
        (("restore", ".", "--no-keys"), "there is no finished backup in ."),
        (("blob", "verify", "--mend-from", "/nowhere"), "'/nowhere' does not exist"),
    ],
)
def test_what_is_said_wrongly_is_one_clear_line(offline: Treering, arguments: tuple[str, ...], said: str) -> None:
    done = offline(*arguments)
    assert done.returncode in (1, 2)
    assert said in one_line(done.stderr)


@pytest.mark.parametrize("home", ["a-file", "a-file/below", "/proc/nowhere"])
def test_a_home_that_cannot_be_is_one_clear_line(offline: Treering, tmp_path: Path, home: str) -> None:
    (tmp_path / "a-file").write_text("")
    done = offline("up", "--port", "0", "--home", str(tmp_path / home))
    assert done.returncode == 1
    assert re.fullmatch(r"treering up: .*(a home is a folder|directory|denied).*", one_line(done.stderr))


@pytest.mark.parametrize(
    "arguments",
    [
        ("experiment", "show", "--name", "x/story"),
        ("experiment", "archive", "--name", "../jobs/j"),
        ("job", "show", "--name", ".."),
        ("show", "job/j/story"),
        ("experiment", "list", "-w", "main/experiments/x"),
    ],
)
def test_a_name_is_never_read_as_a_path(online: Treering, arguments: tuple[str, ...]) -> None:
    done = online(*arguments)
    assert done.returncode == 1 and one_line(done.stderr).endswith("(name.invalid)")


def test_a_proof_that_cannot_be_written_is_one_clear_line(online: Treering, tmp_path: Path) -> None:
    online("experiment", "create", "--name", "unwritten")
    for command in (("audit", "prove", "experiment/unwritten"), ("log", "consistency", "--from", "1")):
        done = online(*command, "-o", str(tmp_path / "no" / "folder"))
        assert done.returncode == 1 and one_line(done.stderr).endswith("No such file or directory (file.unwritable)")


@pytest.mark.parametrize(
    "arguments", [("/nowhere", "a+b+c"), ("{here}", "/nowhere"), ("{here}", "a+b+c"), ("{here}", "{here}")]
)
def test_the_stand_alone_verifier_says_what_it_cannot_read(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "proof").write_bytes(b"\xff\xfe")
    said = [argument.replace("{here}", str(tmp_path / "proof")) for argument in arguments]
    command = [sys.executable, "-I", "-S", str(VERIFIER), *said]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1 and one_line(done.stderr).startswith("NOT PROVEN: ")
