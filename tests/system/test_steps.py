"""Jobs canceled in each step that can last, on real processes: each is Canceled, and its slot is free at once."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.system.bad_server import Drips, dripping
from tests.system.http_client import JOBS
from tests.system.installation import Installation, Settings, running
from tests.system.views import until

from treering.adapters.process_tree import all_processes, read_environment
from treering.domain.job import TERMINAL, Job

pytestmark = pytest.mark.anyio
PATIENCE_SECONDS = 40.0


@pytest.fixture(scope="module")
async def server(anyio_backend: str) -> AsyncIterator[Drips]:
    async with dripping() as server:
        yield server


@pytest.fixture
def drips(server: Drips) -> Drips:
    """That nobody has asked yet."""
    server.asked.clear()
    return server


@pytest.fixture(scope="module")
async def installation(tmp_path_factory: pytest.TempPathFactory, server: Drips) -> AsyncIterator[Installation]:
    """One for all tests: each leaves its only slot free."""
    folder = tmp_path_factory.mktemp("steps")
    variables = {
        "TREERING_ALLOW_ADDRESSES": "127.0.0.1",
        "UV_DEFAULT_INDEX": server.url,
        "UV_CACHE_DIR": str(folder / "cache"),
    }
    settings = Settings(nodes={"n1": 1}, lease_seconds=5.0, variables=variables)
    async with running(folder, settings) as installation:
        yield installation


def spec(command: str, **more: Any) -> dict[str, Any]:
    return {"command": command, "environment": {}, **more}


def web_input(url: str) -> dict[str, Any]:
    return {"inputs": {"data": {"type": "uri_file", "path": f"{url}/data.csv"}}}


async def at_status(installation: Installation, name: str, *statuses: str) -> Job:
    history = installation.history
    assert await history.until(lambda: history.status(name) in statuses, PATIENCE_SECONDS), installation.log_tails()
    return history.jobs[name]


async def canceled_and_slot_free(installation: Installation, name: str) -> None:
    await installation.gateway.cancel(name)
    assert (await at_status(installation, name, *TERMINAL)).status == "Canceled"
    await installation.gateway.submit(f"after-{name}", spec("true"))
    assert (await at_status(installation, f"after-{name}", *TERMINAL)).status == "Completed"


def progress_of(installation: Installation, name: str) -> dict[str, Any]:
    found: dict[str, Any] = installation.gateway.get_once(f"{JOBS}/{name}/progress").get("progress") or {}
    return found


def builds_of_uv(installation: Installation) -> list[int]:
    """Those that make an environment: their cache is in the folder of the build."""
    cache = re.compile(rb"UV_CACHE_DIR=" + re.escape(os.fsencode(installation.home.root)) + rb"/.*envs/new-")
    return [pid for pid in all_processes() if any(cache.match(variable) for variable in read_environment(pid))]


async def test_a_job_whose_input_drips_is_canceled(installation: Installation, drips: Drips) -> None:
    await installation.gateway.submit("input", spec("true", **web_input(drips.url)))
    await asyncio.wait_for(drips.asked.wait(), PATIENCE_SECONDS)
    await canceled_and_slot_free(installation, "input")


async def test_a_job_whose_environment_is_being_made_is_canceled_and_uv_is_gone(
    installation: Installation, drips: Drips
) -> None:
    job = spec("true", environment={"requirements": ["pyjokes"]})
    await installation.gateway.submit("environment", job)
    await asyncio.wait_for(drips.asked.wait(), PATIENCE_SECONDS)
    assert builds_of_uv(installation)
    await canceled_and_slot_free(installation, "environment")
    assert not builds_of_uv(installation)


async def test_a_job_whose_outputs_are_being_stored_is_canceled(installation: Installation) -> None:
    outputs = {"outputs": {"big": {"type": "uri_folder"}}}
    await installation.gateway.submit("outputs", spec("truncate -s 100G ${{outputs.big}}/sparse", **outputs))
    await at_status(installation, "outputs", "Finalizing", *TERMINAL)
    await canceled_and_slot_free(installation, "outputs")


async def test_how_far_a_step_is_can_be_seen(installation: Installation, drips: Drips) -> None:
    await installation.gateway.submit("shown", spec("true", **web_input(drips.url)))
    # It comes with the renewals of the lease, which are no events.
    assert await until(lambda: bool(progress_of(installation, "shown")), PATIENCE_SECONDS)
    said = progress_of(installation, "shown")
    assert (said["step"], said["unit"], said["total"]) == ("inputs", "bytes", 1_000_000_000)
    await canceled_and_slot_free(installation, "shown")


async def test_the_limit_of_a_job_counts_while_its_input_drips(installation: Installation, drips: Drips) -> None:
    await installation.gateway.submit("limited", spec("true", timeout_seconds=2.0, **web_input(drips.url)))
    job = await at_status(installation, "limited", *TERMINAL)
    assert (job.status, job.code) == ("Failed", "timeout")


@pytest.mark.parametrize("address", ["169.254.169.254", "10.0.0.1"])
async def test_an_input_at_an_address_that_is_not_public_fails_the_job(
    installation: Installation, address: str
) -> None:
    await installation.gateway.submit(f"at-{address}", spec("true", **web_input(f"http://{address}")))
    job = await at_status(installation, f"at-{address}", *TERMINAL)
    assert (job.status, job.code) == ("Failed", "address.forbidden")
