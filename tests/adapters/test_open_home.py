"""A home that others can look into is said to be one, and nothing starts with secrets that others can read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from treering.adapters.open_home import open_folders, open_secrets, refuse_open_secrets
from treering.adapters.tokens import Tokens
from treering.config import Home
from treering.kernel.refusal import Refused


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.create()
    Tokens(made)
    (made.keys / "webhooks").mkdir(mode=0o700)
    (made.keys / "webhooks" / "w.hook.1.sealed").touch(mode=0o600)
    return made


def open_up(home: Home, path: Path, mode: int) -> None:
    """Others can enter every folder down to ``path``, which gets ``mode``."""
    folder = path.parent
    while folder != home.root.parent:
        folder.chmod(0o755)
        folder = folder.parent
    path.chmod(mode)


def test_a_home_as_it_is_made_is_its_owners_alone(home: Home) -> None:
    assert open_folders(home) == [] and list(open_secrets(home)) == []


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o622])
@pytest.mark.parametrize("file", ["token", "keys/join-token", "keys/job-token.key", "keys/webhooks/w.hook.1.sealed"])
def test_a_secret_that_others_can_read_or_change_is_refused(home: Home, file: str, mode: int) -> None:
    open_up(home, home.root / file, mode)
    with pytest.raises(Refused, match=f"{file}.*600") as refused:
        refuse_open_secrets(home)
    assert refused.value.code == "keys.open"


def test_a_file_in_a_folder_that_nobody_else_can_enter_is_safe(home: Home) -> None:
    open_up(home, home.root / "keys", 0o700)
    (home.keys / "join-token").chmod(0o644)
    refuse_open_secrets(home)
    assert "chmod 700" in open_folders(home)[0]


def test_a_service_names_the_file_and_does_not_start(home: Home) -> None:
    open_up(home, home.keys / "webhooks" / "w.hook.1.sealed", 0o644)
    command = [sys.executable, "-m", "treering_services", "registry", "--home", str(home.root), "--nats", "nats://x:1"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1 and "w.hook.1.sealed (mode 644)" in ended.stderr and "Traceback" not in ended.stderr


def test_a_service_warns_of_a_home_that_others_can_look_into(home: Home) -> None:
    home.root.chmod(0o755)
    command = [sys.executable, "-m", "treering_services", "registry", "--home", str(home.root), "--nats", "nats://x:1"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert f"warning: others on this machine can look into {home.root} (mode 755)" in ended.stderr
