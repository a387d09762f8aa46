"""A job cannot get out of the sandbox that `treering up` gives it by default: every way out of one table is tried.

Each is tried first in an installation that was started with `--sandbox none`. Where it does not succeed there, the
try proves nothing on this machine, and is skipped with what it met.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.system.escape_attempts import TRIES

from treering.adapters.sandbox.bubblewrap import probed

SOURCES = Path(__file__).resolve().parents[2]
ATTEMPTS = Path(__file__).with_name("escape_attempts.py")
BYSTANDER = Path(__file__).with_name("escape_bystander.py")
ORDINARY_UID = 65534
READY_SECONDS_MAX = 120
JOB_SECONDS_MAX = 240
# Of the tries, how many succeed without a sandbox on a common machine.
OUT_MIN = {"root": 60, "ordinary": 30}
USERS = ("root", "ordinary") if os.geteuid() == 0 else ("ordinary",)
# An ordinary user cannot close ports: there NATS is kept safe by credentials alone, which a job does not see.
OPEN_TO_ORDINARY = {"reach_the_port_of_nats", "reach_the_port_of_nats_by_another_loopback_address"}
JOB = """
code: {code}
command: python escape_attempts.py
environment:
  image: python:{version}
environment_variables:
"""

Outcomes = dict[str, str]


def as_user(user: str) -> list[str]:
    """What makes a command run as ``user``; a Python in root's home is put where the ordinary user can reach it."""
    if user == "root" or os.geteuid() != 0:
        return []
    prefix = Path(sys.base_prefix).resolve()
    closed = [folder for folder in prefix.parents if not folder.stat().st_mode & 0o001]
    script = 'exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"'
    if closed:
        script = (
            f"t=$(mktemp -d) && mount --bind {prefix} $t && mount -t tmpfs -o mode=755 none {closed[-1]} && "
            f"mkdir -p {prefix} && mount --bind $t {prefix} && umount $t && rmdir $t && {script}"
        )
    return ["unshare", "--mount", "sh", "-c", script, "sh"]


class Place:
    """One installation for one user, with its bystander."""

    def __init__(self, root: Path, user: str, options: list[str]) -> None:
        self.root, self.user, self.options = root, user, options
        self.home, self.operator = root / "home", root / "operator"
        self.operator.mkdir(mode=0o700)
        self.give(root)
        kept = ("PATH", "LANG", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL", "SSL_CERT_FILE")
        self.environment = {name: os.environ[name] for name in kept if name in os.environ} | {
            "HOME": str(root), "TREERING_HOME": str(self.home),
            "PYTHONPATH": ":".join(str(SOURCES / name) for name in ("", "libs", "services")),
        }  # fmt: skip

    def give(self, path: Path) -> None:
        if self.user == "ordinary" and os.geteuid() == 0:
            for one in [path, *path.rglob("*")]:
                os.chown(one, ORDINARY_UID, ORDINARY_UID)

    @contextmanager
    def process(self, *argv: str, **more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
        """It runs inside the block, and with it the first line that it said; stopped by the end of its input."""
        with (self.root / "errors").open("a") as errors:
            process = subprocess.Popen(
                [*as_user(self.user), *argv], env=self.environment | more, cwd=self.root, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
            )  # fmt: skip
        assert process.stdin is not None and process.stdout is not None
        try:
            yield process, process.stdout.readline()
        finally:
            process.stdin.close()
            if "up" in argv:
                process.terminate()
            process.wait(READY_SECONDS_MAX)
            process.stdout.close()

    def outcomes(self) -> Outcomes:
        """Start everything, run the job, and read what it printed."""
        up = [sys.executable, "-m", "treering_services", "up", "--port", "0", "--slots", "1", *self.options]
        bystander = [sys.executable, str(BYSTANDER), str(self.operator)]
        with self.process(*up) as (_, ready), self.process(*bystander, ESCAPE_TOKEN="1") as (_, facts):
            assert "is ready" in ready, (self.root / "errors").read_text()[-2000:]
            other = self.home / "runs" / "local" / "main.other.1" / "code"
            other.mkdir(parents=True)
            (other / "secret").write_text("of another job")
            self.give(self.home / "runs" / "local")
            return self.run_job(json.loads(facts))

    def run_job(self, facts: dict[str, Any]) -> Outcomes:
        code = self.root / "code"
        code.mkdir()
        shutil.copy(ATTEMPTS, code)
        nats = (self.home / "nats" / "nats.pid").read_text().strip()
        known = {
            **facts, "ESCAPE_HOME": self.home, "ESCAPE_OPERATOR": self.operator, "ESCAPE_NATS_PID": nats,
            "ESCAPE_NATS_PORT": self.nats_port(),
        }  # fmt: skip
        text = JOB.format(code=code, version=f"{sys.version_info[0]}.{sys.version_info[1]}")
        (self.root / "job.yml").write_text(text + "".join(f'  {name}: "{value}"\n' for name, value in known.items()))
        self.give(code)
        command = [sys.executable, "-m", "treering.cli.main", "job", "create", "-f", "job.yml", "--stream"]
        done = subprocess.run(
            [*as_user(self.user), *command], env=self.environment, cwd=self.root, capture_output=True, text=True,
            timeout=JOB_SECONDS_MAX, check=False,
        )  # fmt: skip
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("ESCAPES ")]
        assert lines, done.stdout + done.stderr
        found: Outcomes = json.loads(lines[0].removeprefix("ESCAPES "))
        return found

    def nats_port(self) -> str:
        text = "".join(path.read_text() for path in (self.home / "nats").glob("*.conf"))
        return next(line.split(":")[1].strip() for line in text.splitlines() if line.startswith("port:"))


@cache
def outcomes(user: str, options: tuple[str, ...]) -> Outcomes:
    """Of all tries at once, by one job; how it failed itself when it did, so that it is not run again for each."""
    try:
        return one_by_one(user, options)
    except (AssertionError, subprocess.TimeoutExpired) as error:
        return dict.fromkeys(TRIES, "out") | {"failed": str(error)}


def one_by_one(user: str, options: tuple[str, ...]) -> Outcomes:
    root = Path(tempfile.mkdtemp(prefix="treering-escapes-", dir="/var/tmp"))  # /tmp is a job's own
    root.chmod(0o755)
    try:
        return Place(root, user, list(options)).outcomes()
    finally:
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="module", autouse=True)
def sandbox() -> None:
    found, why = probed()
    if found is None:
        pytest.skip(why)
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        pytest.skip("the table has the numbers of system calls of Linux on x86_64")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("user", USERS)
def test_enough_ways_out_lead_out_where_there_is_no_sandbox(user: str) -> None:
    assert "failed" not in outcomes(user, ("--sandbox", "none"))
    led_out = [name for name, how in outcomes(user, ("--sandbox", "none")).items() if how == "out"]
    assert len(led_out) >= OUT_MIN[user], sorted(set(TRIES) - set(led_out))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", sorted(TRIES))
@pytest.mark.parametrize("user", USERS)
def test_a_job_cannot(user: str, name: str) -> None:
    without = outcomes(user, ("--sandbox", "none"))[name]
    if without != "out":
        pytest.skip(f"on this machine it does not succeed without a sandbox either: {without}")
    if user == "ordinary" and name in OPEN_TO_ORDINARY:
        pytest.skip("only root can close ports; without a credential nobody gets further than the port")
    inside = outcomes(user, ())
    assert "failed" not in inside, inside["failed"]
    assert inside[name] != "out"
