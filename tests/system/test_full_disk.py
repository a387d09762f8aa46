"""A full disk ends nothing: reads go on, writes are refused, and all goes on by itself when there is room."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from tests.system.small_disk import MIB, SmallDisk, small_disk
from tests.system.up import up

EXPERIMENTS = "/v1/workspaces/main/experiments"
pytestmark = pytest.mark.anyio
SECONDS_MAX = 40.0
PAUSE_SECONDS = 0.1
FULL = 507
MANY = 30


class Said(NamedTuple):
    status: int
    body: Any


class Client:
    """One request a connection, said once."""

    def __init__(self, home: Path) -> None:
        self.where = urlsplit((home / "url").read_text().strip())
        self.token = (home / "token").read_text().strip()

    async def ask(self, method: str, path: str, body: object = None) -> Said:
        return await asyncio.to_thread(self.ask_now, method, path, body)

    def ask_now(self, method: str, path: str, body: object) -> Said:
        connection = http.client.HTTPConnection(self.where.hostname or "", self.where.port, timeout=20)
        try:
            headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
            content = body if body is None or isinstance(body, bytes) else json.dumps(body)
            connection.request(method, path, content, headers)
            reply = connection.getresponse()
            text = reply.read()
            return Said(reply.status, json.loads(text) if text[:1] in (b"{", b"[") else text)
        finally:
            connection.close()

    async def create(self, name: str) -> Said:
        return await self.ask("POST", f"{EXPERIMENTS}/{name}/create", {})

    async def until_created(self, name: str) -> None:
        await until(lambda: self.create(name), lambda said: said.status in (200, 201))

    async def until_listed(self, names: set[str]) -> None:
        """A view that found no room takes what it lacks in its next try."""
        await until(
            lambda: self.ask("GET", f"{EXPERIMENTS}?limit=1000"),
            lambda said: {one["name"] for one in said.body["items"]} >= names,
        )

    async def until_ready(self) -> None:
        await until(lambda: self.ask("GET", "/readyz"), lambda said: said.status == 200)

    async def names(self) -> set[str]:
        said = await self.ask("GET", f"{EXPERIMENTS}?limit=1000")
        return {one["name"] for one in said.body["items"]}


async def until(ask: Callable[[], Awaitable[Said]], right: Callable[[Said], bool]) -> None:
    """Ask again and again until the answer is right."""
    async with asyncio.timeout(SECONDS_MAX):
        while not right(await ask()):  # noqa: ASYNC110 (it is another process that changes)
            await asyncio.sleep(PAUSE_SECONDS)


async def written_until_full(client: Client, disk: SmallDisk) -> list[str]:
    """Create experiments while the disk fills up, until one is refused; the names that were acknowledged."""
    acknowledged: list[str] = []
    filling = asyncio.create_task(asyncio.to_thread(disk.fill))
    async with asyncio.timeout(SECONDS_MAX):
        while True:
            name = f"e{len(acknowledged)}"
            said = await client.create(name)
            if said.status == FULL:
                break
            if said.status in (200, 201):
                acknowledged.append(name)
    await filling
    return acknowledged


async def test_a_full_disk_refuses_writes_answers_reads_and_all_resumes_with_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        home = disk.folder / "home"
        async with up(home) as process:
            client = Client(home)
            acknowledged = await written_until_full(client, disk)
            assert "Default" in await client.names()
            assert (await client.create("refused")).status == FULL
            assert (await client.ask("GET", "/readyz")).body["parts"]["disk"]["code"] == "disk.full"
            disk.free()
            await client.until_created("later")
            await client.until_ready()
            await client.until_listed({*acknowledged, "later"})
            assert (await client.ask("POST", "/v1/log/verify", {})).body["ok"] is True
            assert process.returncode is None


async def test_it_starts_with_one_mebibyte_left_and_answers_reads(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        home = disk.folder / "home"
        async with up(home):
            await Client(home).until_created("before")
        disk.fill(leave_bytes=MIB)
        async with up(home):
            client = Client(home)
            assert "before" in await client.names()
            disk.fill()
            assert (await client.create("refused")).status == FULL
            assert "before" in await client.names()
            disk.free()
            for number in range(MANY):  # More than the store was allowed to take when it was started.
                await client.until_created(f"after-{number}")
            await client.until_ready()
