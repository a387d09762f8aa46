"""A real installation for the command line, one for all its tests, and the command line as its users call it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

TIMEOUT_SECONDS = 60
Done = subprocess.CompletedProcess[str]
Treering = Callable[..., Done]


def call(home: Path, *arguments: str, input: str | None = None, **variables: str) -> Done:
    """Run ``treering`` in a process of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TREERING_")}
    environment = {**kept, "TREERING_HOME": str(home), "PYTHONIOENCODING": "utf-8", **variables}
    return subprocess.run(
        [sys.executable, "-m", "treering.cli.main", *arguments],
        capture_output=True,
        text=True,
        errors="replace",
        env=environment,
        input=input,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )


def answer(treering: Treering, *arguments: str) -> Any:
    """What a command that succeeds says, decoded."""
    done = treering(*arguments, "-o", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def offline(tmp_path: Path) -> Treering:
    """The command line where nothing runs."""
    return lambda *arguments, **settings: call(tmp_path / "home", *arguments, **settings)


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The home of an installation that runs, and stops with the tests."""
    home = tmp_path_factory.mktemp("installation") / "home"
    command = [sys.executable, "-m", "treering.cli.main", "up", "--home", str(home), "--port", "0", "--slots", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        ready = next((line for line in process.stdout if line.startswith("treering is ready")), "")
        try:
            assert ready, "treering up ended before it was ready"
            yield home
        finally:
            process.terminate()
            process.stdout.read()


@pytest.fixture
def online(installation: Path) -> Treering:
    """The command line of a running installation."""
    return lambda *arguments, **settings: call(installation, *arguments, **settings)
