"""A publisher with an outbox that ends while the server is away: what stays on disk is told, listed and sent later."""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.cli.conftest import call
from tests.services.gateway_example import Api, running_gateway

from treering.client import AsyncClient, Client
from treering.client.outbox import Flushed, flush, kept_in, waiting_in
from treering.client.publisher import EventsLeft, Publisher
from treering.kernel.refusal import Refused
from treering.testing.nats import RunningNats

pytestmark = pytest.mark.anyio
NOBODY = "http://127.0.0.1:9"
SOON = 0.05


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    async with running_gateway(nats_server) as running:
        yield running


def filled(file: Path, workspace: str, *types: str) -> int:
    """What a publisher leaves in its outbox when nobody answers."""
    with (
        pytest.warns(EventsLeft),
        Publisher(Client(NOBODY), workspace, source="/ci", outbox=file, close_seconds=SOON) as publisher,
    ):
        for number, type in enumerate(types):
            publisher.publish(type, id=f"{workspace}-{number}")
    return publisher.left


async def test_what_stays_on_disk_is_told_with_its_number_and_its_file(tmp_path: Path) -> None:
    def leave() -> tuple[int, int]:
        publisher = Publisher(Client(NOBODY), "w", source="/ci", outbox=tmp_path / "box.db")
        for number in range(3):
            publisher.publish("a.b", number)
        with pytest.warns(EventsLeft, match=r"3 events for the workspace 'w' .* stay in .*box\.db") as told:
            left = publisher.close(SOON)
        assert "--flush" in str(told[0].message) and publisher.close() == left == publisher.left
        return left, filled(tmp_path / "box.db", "w", "a.b")

    assert await asyncio.to_thread(leave) == (3, 4), "those of before count, too"


async def test_the_same_in_an_event_loop(api: Api, tmp_path: Path) -> None:
    with pytest.warns(EventsLeft, match="1 events"):
        publisher = AsyncClient(NOBODY).publisher("w", source="/ci", outbox=tmp_path / "box.db")
        await publisher.publish("a.b", {"n": 1}, subject="experiment/e")
        assert await publisher.close(SOON) == publisher.left == 1
    async with (
        AsyncClient(f"http://127.0.0.1:{api.port}", api.tokens.owner) as client,
        client.publisher("w", source="/ci", outbox=tmp_path / "box.db") as again,
    ):
        assert await again.flush(20)
    assert again.left == 0 and waiting_in(tmp_path / "box.db") == {}


async def test_who_leaves_nothing_is_told_nothing(api: Api, tmp_path: Path) -> None:
    def publish() -> int:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            client = Client(f"http://127.0.0.1:{api.port}", api.tokens.owner)
            with client, client.publisher("w", source="/ci", outbox=tmp_path / "box.db") as publisher:
                publisher.publish("a.b")
        return publisher.left

    assert await asyncio.to_thread(publish) == 0


async def test_an_outbox_is_listed_and_flushed_for_all_its_workspaces(api: Api, tmp_path: Path) -> None:
    file = tmp_path / "box.db"

    def lists_and_flushes() -> None:
        filled(file, "w", "a.b", "job.completed", "a.c")  # the second is a type that nobody may publish
        filled(file, "main", "a.d")
        assert waiting_in(file) == {"main": 1, "w": 3}
        assert [(one.workspace, one.event["type"], one.code) for one in kept_in(file)] == [
            ("w", "a.b", ""), ("w", "job.completed", ""), ("w", "a.c", ""), ("main", "a.d", ""),
        ]  # fmt: skip
        assert flush(Client(NOBODY), file, SOON) == Flushed(0, 0, 4)
        with Client(f"http://127.0.0.1:{api.port}", api.tokens.owner) as client:
            assert flush(client, file) == Flushed(3, 1, 0)
            assert flush(client, file) == Flushed(0, 0, 0)
            stored = [event.id for event in client.events(type="a.*", follow=False)]
        assert sorted(stored) == ["main-0", "w-0", "w-2"]
        assert [(one.event["type"], one.code) for one in kept_in(file)] == [("job.completed", "event.type_reserved")]

    await asyncio.to_thread(lists_and_flushes)


def test_the_command_line_lists_an_outbox_and_says_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    file = tmp_path / "box.db"
    filled(file, "w", "a.b", "a.c")
    listed = call(tmp_path / "home", "publisher", "outbox", str(file), "-o", "json")
    assert [one["type"] for one in json.loads(listed.stdout)] == ["a.b", "a.c"]
    assert f"2 events wait in {file}" in listed.stderr
    for path, code in ((tmp_path / "none.db", "outbox.absent"), (Path(__file__), "outbox.unusable")):
        with pytest.raises(Refused) as refused:
            kept_in(path)
        assert refused.value.code == code and not (tmp_path / "none.db").exists()
