"""Three nodes: a leader is elected, streams live on all of them, and one node may die."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import nats.errors
import pytest
from anyio.lowlevel import checkpoint
from nats.aio.client import Client

from treering.adapters.streams import stream_state
from treering.testing.nats import running_nats

pytestmark = pytest.mark.anyio

ELECTION_SECONDS = 30.0
ANSWER_SECONDS = 1.0


async def test_a_cluster_of_three_stays_writable_when_the_leader_dies(tmp_path: Path) -> None:
    async with running_nats(tmp_path, cluster=3) as running:
        # Given a replicated log with one commit,
        registry = await running.connect("registry")
        await append(registry, "evt.w.job.before")
        # when the node that leads it is killed,
        info = await registry.request("$JS.API.STREAM.INFO.EVT", b"", timeout=ANSWER_SECONDS)
        leader = msgspec.json.decode(info.data)["cluster"]["leader"]
        process = next(server.process for server in running.servers if server.server_name == leader)
        assert process is not None
        process.kill()
        # then the others elect, and the log goes on where it was.
        await append(registry, "evt.w.job.after")
        assert (await stream_state(registry, "EVT")).last == 2


async def append(client: Client, subject: str) -> None:
    """Publish until it is acknowledged; the message id makes the retries one message."""
    headers = {"Nats-Msg-Id": subject}
    async with asyncio.timeout(ELECTION_SECONDS):
        while True:
            try:
                ack = await client.request(subject, b"{}", timeout=ANSWER_SECONDS, headers=headers)
                if "seq" in msgspec.json.decode(ack.data):
                    return
            except (nats.errors.Error, TimeoutError):
                await checkpoint()
