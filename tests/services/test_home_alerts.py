"""A broken secret and a full disk are told as alerts, and cleared when they are over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from tests.services.gateway_example import Api, running_gateway

from treering.adapters.free_space import MIB, Room, full
from treering.testing.nats import RunningNats
from treering_services.gateway import home_alerts, watching

pytestmark = pytest.mark.anyio


@pytest.fixture
async def api(nats_server: RunningNats, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.05)
    async with running_gateway(nats_server) as running:
        yield running


async def told(api: Api, type: str) -> dict[str, str]:
    (event,) = await api.events(f"/v1/events?follow=true&type={type}", 1)
    found: dict[str, dict[str, str]] = msgspec.json.decode(event["data"])
    return found["data"]


async def test_a_broken_secret_is_an_alert_until_it_is_what_was_written(api: Api) -> None:
    path = api.home.keys / "join-token"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    raised = await told(api, "installation.alert")
    assert (raised["code"], raised["resource"]) == ("home.damaged", "file/keys/join-token")
    assert "treering doctor" in raised["detail"]
    path.write_bytes(whole)
    assert (await told(api, "installation.alert_cleared"))["code"] == "home.damaged"


@pytest.mark.parametrize("services_write", [True, False])
async def test_a_full_disk_is_an_alert_and_what_clears_it_says_how_long_it_was_full(
    api: Api, monkeypatch: pytest.MonkeyPatch, services_write: bool
) -> None:
    """Where nobody can write meanwhile, it is raised when there is room again."""

    def refuse(*folders: Path) -> None:
        asked.append(folders)
        raise full(folders[0], Room(0, MIB, 100.0), MIB)

    asked: list[tuple[Path, ...]] = []
    with monkeypatch.context() as disk:
        disk.setattr(home_alerts, "require_room", refuse)
        if services_write:
            assert "clients cannot write since" in (await told(api, "installation.alert"))["detail"]
        else:
            disk.setattr(home_alerts, "require_last_room", refuse)
            while not asked:
                await api.ask("GET", "/healthz")
    raised, cleared = await told(api, "installation.alert"), await told(api, "installation.alert_cleared")
    assert raised["code"] == cleared["code"] == "disk.full"
    assert "clients could not write from" in cleared["detail"] and " s)" in cleared["detail"]
