"""A home that an earlier release made starts under this one, with all that it held.

``tests/recorded/homes`` has one archive a release, named by the day of its code: a job, a run with a metric point and a
parameter, a registered model. What a start makes by itself (configuration, environments, locks) is left out. Its keys
were made for this test and open nothing else.
"""

from __future__ import annotations

import asyncio
import sys
import tarfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.system.http_client import JOBS, Gateway
from tests.system.up import up
from tests.system.views import until
from tests.system.work import COMMANDS, Work

from treering.config import Home

pytestmark = pytest.mark.anyio
HOMES = sorted((Path(__file__).parents[1] / "recorded" / "homes").glob("*.tgz"))
WAIT_SECONDS = 60.0
MLFLOW = "/api/2.0/mlflow"
RUN = "eeb8273bcb847eebc9f7f2d1e4337e65"


@pytest.fixture(params=HOMES, ids=lambda path: path.stem)
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    with tarfile.open(request.param) as archive:
        archive.extractall(tmp_path, filter="data")
    for folder in (tmp_path / "home", *(tmp_path / "home").rglob("*/")):
        folder.chmod(0o700)  # the filter does not take the modes of folders over
    return Home(tmp_path / "home")


async def treering(home: Home, *arguments: str) -> Any:
    """What a command of the command line says, decoded."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "treering.cli.main", *arguments, "--home", str(home.root), "-o", "json",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, errors = await process.communicate()
    assert said, errors.decode()
    return msgspec.json.decode(said)


async def test_all_that_an_earlier_release_stored_is_there_and_can_be_proved(home: Home, tmp_path: Path) -> None:
    async with up(home.root):
        get = Gateway(home, []).get_once
        assert await until(lambda: get(f"{JOBS}/old-job").get("status") == "Completed", WAIT_SECONDS)
        assert get("/v1/status")["epoch"] == "1", "it was never restored"
        assert await until(lambda: "run" in get(f"{MLFLOW}/runs/get?run_id={RUN}"), WAIT_SECONDS)
        run = get(f"{MLFLOW}/runs/get?run_id={RUN}")["run"]
        assert (run["info"]["status"], run["info"]["end_time"]) == ("FINISHED", 9)
        assert [(one["key"], one["value"], one["step"]) for one in run["data"]["metrics"]] == [("m", 1.5, 3)]
        assert run["data"]["params"] == [{"key": "p", "value": "q"}]
        model = get(f"{MLFLOW}/registered-models/get?name=old-model")
        assert model["registered_model"]["name"] == "old-model"
        # It takes new work, and its log is the one that was signed.
        spec = Work("new-job", "quick", COMMANDS["quick"].replace("{seconds}", "0")).spec(tmp_path / "marks")
        await Gateway(home, []).submit("new-job", spec)
        assert await until(lambda: get(f"{JOBS}/new-job").get("status") == "Completed", WAIT_SECONDS)
        verified = await treering(home, "log", "verify")
        assert verified["ok"] and verified["positions"] > 10


async def test_the_doctor_finds_nothing_wrong_with_it_before_and_after(home: Home) -> None:
    for _ in range(2):
        findings = await treering(home, "doctor")
        assert [one for one in findings if one["state"] == "wrong"] == []
        async with up(home.root):
            pass
