"""Three NATS servers, every service its own process: a real job runs, and another one survives a node's death."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree

import pytest
from tests.system.checks import judge, judge_processes
from tests.system.installation import Settings, running
from tests.system.work import COMMANDS, Work

from treering.testing.nats import running_nats

pytestmark = pytest.mark.anyio

RUN_SECONDS_MAX = 60.0
LEASE_SECONDS = 60.0  # an election of the servers took more than 10 s on a busy machine


async def test_a_job_completes_while_a_node_of_the_cluster_dies(tmp_path: Path) -> None:
    async with running_nats(tmp_path / "nats", cluster=3) as nats:
        # Given an installation whose services know all three servers,
        home = tmp_path / "home"
        copytree(nats.home / "keys", home / "keys")
        settings = Settings(nodes={"n1": 2}, urls=nats.urls, lease_seconds=LEASE_SECONDS)
        async with running(tmp_path / "run", settings, home=home) as installation:
            history = installation.history
            # and a job that has run on it,
            await installation.gateway.submit("before", work("before", "0.1").spec(installation.marks))
            assert await history.until(lambda: history.all_terminal(["before"]), RUN_SECONDS_MAX)
            # when the first server, the one most services talk to, dies while a job runs,
            await installation.gateway.submit("during", work("during", "2").spec(installation.marks))
            assert await history.until(lambda: history.status("during") == "Running", RUN_SECONDS_MAX)
            process = nats.server.process
            assert process is not None
            process.kill()
            # then that job completes, in its first attempt, and everything is as it must be.
            assert await history.until(lambda: history.all_terminal(["during"]), RUN_SECONDS_MAX)
            assert [(history.status(name), history.jobs[name].attempt) for name in ("before", "during")] == [
                ("Completed", 1),
                ("Completed", 1),
            ]
            assert await installation.caught_up()
            assert judge(installation) + await judge_processes(installation) == []


def work(name: str, seconds: str) -> Work:
    return Work(name, "daemon", COMMANDS["daemon"].replace("{seconds}", seconds))
