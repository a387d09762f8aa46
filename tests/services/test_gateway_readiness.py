"""/readyz names what is not ready and why: each part is broken in turn, and comes back."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.services.gateway_example import WS, Api, running_gateway
from tests.services.mlflow_example import Mlflow

from treering.adapters.log_check import clear_alarm, write_alarm
from treering.domain.experiment_messages import CreateExperiment
from treering.kernel.blobs import digest_of
from treering.kernel.log import LogFull
from treering.kernel.service import Service
from treering.kernel.subjects import Address
from treering.testing.nats import RunningNats, running_nats
from treering_services.base import ServiceBase
from treering_services.gateway.core import Gateway
from treering_services.gateway.readiness import Readiness, judge
from treering_services.monitor import service as monitor
from treering_services.registry import service as registry

pytestmark = pytest.mark.anyio
MIB = 1024 * 1024
PATIENCE_SECONDS = 15.0


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    async with running_gateway(nats_server) as running:
        yield running


async def parts(api: Api, *, ready: bool) -> dict[str, dict[str, str]]:
    """What each part says, as soon as the answer is (or is not) that all is ready."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while ((answer := await api.ask("GET", "/readyz", token="")).status == 200) != ready:
            pass  # what was said a moment ago is said again for a moment
    found: dict[str, dict[str, str]] = answer.json["parts"]
    return found


def wrong(found: dict[str, dict[str, str]]) -> dict[str, str]:
    return {name: part["code"] for name, part in found.items() if part.get("state") == "wrong"}


async def test_an_installation_without_its_monitor_is_ready_and_says_that_nobody_watches(api: Api) -> None:
    found = await parts(api, ready=True)
    assert {name for name, part in found.items() if part["state"] != "ok"} == {"monitor"}
    assert found["monitor"]["state"] == "warning" and "does not answer" in found["monitor"]["why"]


async def test_with_its_monitor_every_part_is_well(api: Api) -> None:
    service = Service("monitor", lambda started: monitor.run(ServiceBase(api.home, api.nats.urls), started))
    await service.start()
    try:
        found = await parts(api, ready=True)
        assert set(found) == {"disk", "keys", "log", "blobs", "nats", "registry", "view", "monitor", "alerts"}
        assert {part["state"] for part in found.values()} == {"ok"}
    finally:
        await service.stop()


async def test_a_registry_that_is_gone_makes_it_not_ready_and_one_that_comes_makes_it_ready(api: Api) -> None:
    await api.registry.stop()
    assert wrong(await parts(api, ready=False)) == {"registry": "registry.unavailable"}
    base = ServiceBase(api.home, api.nats.urls)
    again = Service("registry", lambda started: registry.run(base, api.reader, started))
    await again.start()
    try:
        await parts(api, ready=True)
    finally:
        await again.stop()


async def test_an_alarm_makes_it_not_ready_and_tells_strangers_no_more_than_that(api: Api) -> None:
    write_alarm(api.home.copy, f"position 7 of the log in {api.home.root} is not the commit that was stored")
    found = await parts(api, ready=False)
    assert wrong(found) == {"log": "log.damaged"}
    assert str(api.home.root) not in str(found) and "treering log verify" in found["log"]["why"]
    clear_alarm(api.home.copy)
    await parts(api, ready=True)


async def test_without_nats_it_says_so_and_guesses_nothing_about_the_rest(api: Api) -> None:
    await api.nats.server.stop()
    found = await parts(api, ready=False)
    assert wrong(found) == {"nats": "log.unavailable"}
    assert all("not asked" in found[name]["why"] for name in ("registry", "view", "monitor"))


async def test_a_crowd_that_asks_is_answered_from_one_look(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0

    async def look(gateway: Gateway) -> Readiness:
        nonlocal looks
        looks += 1
        return await judge(gateway)

    monkeypatch.setattr("treering_services.gateway.readiness.judge", look)
    monkeypatch.setattr("treering_services.gateway.readiness.KEPT_SECONDS", 60.0)
    answers = await asyncio.gather(*(api.ask("GET", "/readyz", token="") for _ in range(20)))
    assert {answer.status for answer in answers} == {200} and looks == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own of 160 MiB, of which clients must leave 4 free and services 2."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:
        pytest.skip("a small file system needs root and mount(8)")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
async def small(small_disk: Path) -> AsyncIterator[Api]:
    """An installation on it."""
    async with running_nats(small_disk) as nats, running_gateway(nats) as running:
        yield running


def fill(api: Api, leave_bytes: int) -> Path:
    """Take all room but ``leave_bytes``."""
    ballast = api.home.root / "ballast"
    ballast.unlink(missing_ok=True)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(api.home.root).free - leave_bytes)
    return ballast


async def test_before_the_disk_is_full_clients_are_refused_and_services_go_on_and_room_heals_it(small: Api) -> None:
    # Given a run, and a disk on which only little is left,
    mlflow = Mlflow(small)
    run = await mlflow.run(await mlflow.experiment("digits"))
    point = {"run_id": run, "key": "loss", "value": 1.0, "timestamp": 1, "step": 1}
    await mlflow.done("runs/log-metric", **point)
    ballast = fill(small, 3 * MIB)
    # then a client is told so at once, whatever it wants to write, while reading goes on,
    refused = await small.ask("POST", f"{WS}/experiments/e/create")
    assert (refused.status, refused.code) == (507, "disk.full") and "MiB free" in refused.json["detail"]
    blob = await small.ask("PUT", f"/v1/blobs/{digest_of(b'x')}", b"x", {"content-type": "application/octet-stream"})
    assert (blob.status, blob.code) == (507, "disk.full")
    assert await mlflow.refused("runs/log-metric", **point) == "RESOURCE_EXHAUSTED"
    assert await mlflow.refused("experiments/create", name="other") == "RESOURCE_EXHAUSTED"
    assert (await small.ask("GET", f"{WS}/computes/local")).status == 200
    assert wrong(await parts(small, ready=False)) == {"disk": "disk.full"}
    # and what a service has to say is still written,
    before = await small.send_as("gateway", Address("w", "experiment", "s"), CreateExperiment())
    # but not when nearly nothing is left: then it is to say it again later.
    fill(small, 1 * MIB)
    with pytest.raises(LogFull):
        await small.send_as("gateway", Address("w", "experiment", "late"), CreateExperiment())
    # When there is room again, all goes on by itself, and nothing that was acknowledged is lost.
    ballast.unlink()
    assert (await small.ask("POST", f"{WS}/experiments/e/create")).status == 201
    shown = await small.ask("GET", f"{WS}/experiments/s?after={before.position}")
    assert shown.json["position"] == before.position
    await parts(small, ready=True)
