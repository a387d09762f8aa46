"""What a job reaches of the network and of the machine's folders, asked of `treering up` as a user asks it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import call
from tests.system.up import up

from treering.adapters.sandbox.bubblewrap import probed
from treering.kernel.listening import listening

pytestmark = pytest.mark.anyio

ANSWER = b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello"
SCRIPT = """
import json, os, urllib.request
from pathlib import Path

def reaches(url):
    try:
        return urllib.request.urlopen(url, timeout=5).status == 200
    except OSError:
        return False

def writes(folder):
    try:
        return Path(folder, "written").write_text("by a job") > 0
    except OSError:
        return False

def reads(folder):
    try:
        return Path(folder, "given").read_text()
    except OSError:
        return ""

data, scratch, hidden = os.environ["DATA"], os.environ["SCRATCH"], os.environ["HIDDEN"]
print("FOUND", json.dumps({
    "gateway": reaches(os.environ["MLFLOW_TRACKING_URI"] + "/healthz"),
    "other": reaches(os.environ["OTHER"]),
    "reads": [reads(folder) for folder in (data, scratch, hidden)],
    "writes": [writes(folder) for folder in (data, scratch)],
}))
"""
JOB = """
code: src
command: python look.py
environment: {{image: "python:{version}"}}
environment_variables: {variables}
"""


class Place:
    """A folder with a job of SCRIPT, and folders of the machine that an operator may show to jobs or not."""

    def __init__(self, root: Path, other_port: int) -> None:
        self.root, self.home = root, root / "home"
        self.data, self.scratch, self.hidden = (root / name for name in ("data", "scratch", "hidden"))
        for folder in (self.data, self.scratch, self.hidden, root / "src"):
            folder.mkdir()
            (folder / "given").write_text(folder.name)
        (root / "src" / "look.py").write_text(SCRIPT)
        self.other = f"http://127.0.0.1:{other_port}/"

    async def job(self, more: str = "") -> dict[str, Any]:
        """Run it with ``more`` lines in its YAML: what it found."""
        variables = {"DATA": self.data, "SCRATCH": self.scratch, "HIDDEN": self.hidden, "OTHER": self.other}
        written = json.dumps({name: str(value) for name, value in variables.items()})
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        file = self.root / "job.yml"
        file.write_text(JOB.format(version=version, variables=written) + more)
        said = await self.treering("job", "create", "-f", str(file), "--stream")
        (line,) = [line for line in said.splitlines() if line.startswith("FOUND ")]
        found: dict[str, Any] = json.loads(line.removeprefix("FOUND "))
        return found

    async def treering(self, *arguments: str) -> str:
        done = await asyncio.to_thread(call, self.home, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr


@asynccontextmanager
async def place(root: Path) -> AsyncIterator[Place]:
    """Beside it, another server listens on this machine's loopback."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER)
        await writer.drain()
        writer.close()

    async with listening(answer) as port:
        yield Place(root, port)


@pytest.fixture(autouse=True)
def sandbox() -> None:
    found, why = probed()
    if found is None:
        pytest.skip(why)


async def test_a_job_without_network_reaches_the_gateway_and_no_other_port(tmp_path: Path) -> None:
    async with place(tmp_path) as here, up(here.home):
        free = await here.job()
        assert (free["gateway"], free["other"]) == (True, True)
        asked = await here.job("network: none\n")
        assert (asked["gateway"], asked["other"]) == (True, False)
        # A workspace requires it of jobs that do not ask for it, and of those that ask for the opposite.
        await here.treering("workspace", "update", "main", "--set", "network=none")
        for more in ("", "network: full\n"):
            required = await here.job(more)
            assert (required["gateway"], required["other"]) == (True, False), more


async def test_a_job_sees_the_folders_that_the_operator_shows_and_writes_only_where_it_may(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        async with up(here.home, "--show-path", str(here.data), "--show-path", f"{here.scratch}:rw"):
            found = await here.job()
        assert (found["reads"], found["writes"]) == (["data", "scratch", ""], [False, True])
        assert not (here.data / "written").exists() and (here.scratch / "written").read_text() == "by a job"
