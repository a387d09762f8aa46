"""The streams: made once by bootstrap, never changed, and a missing or other one is an alarm."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from treering.adapters.streams import (
    StreamState,
    StreamWrong,
    ask,
    bootstrap,
    require_streams,
    stream_configs,
    stream_state,
)
from treering.kernel.log import LogDamaged
from treering.testing.nats import RunningNats, running_nats

pytestmark = pytest.mark.anyio

PATIENCE_SECONDS = 10.0


async def test_bootstrap_said_twice_keeps_what_is_there(nats_server: RunningNats) -> None:
    client = await nats_server.connect("bootstrap")
    await client.request("evt.w.job.j", b"{}", timeout=PATIENCE_SECONDS)
    await bootstrap(client)
    assert await stream_state(client, "EVT") == StreamState(first=1, last=1, messages=1, deleted=0, lost=0)


async def test_the_streams_are_as_designed(nats_server: RunningNats) -> None:
    client = await nats_server.connect("bootstrap")
    found = {name: (await ask(client, f"$JS.API.STREAM.INFO.{name}")).config for name in stream_configs()}
    for config in found.values():
        assert config["deny_delete"] and config["deny_purge"] and config["allow_direct"]
        assert (config["storage"], config["discard"], config["max_bytes"]) == ("file", "new", -1)
        assert not config.get("allow_rollup_hdrs") and not config.get("sealed")
        assert config["duplicate_window"] == 120 * 10**9
    assert found["EVT"]["allow_atomic"] and found["EVT"]["max_age"] == 0
    assert found["MET"]["allow_batched"] and found["MET"]["max_age"] == 0
    assert found["LOG"]["persist_mode"] == "async" and found["LOG"]["max_age"] == 7 * 24 * 3600 * 10**9


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("deny_purge", False),
        ("deny_delete", False),
        ("allow_atomic", False),
        ("max_age", 10**12),
        ("max_msgs", 1000),
        ("discard", "old"),
        ("storage", "memory"),
        ("allow_rollup_hdrs", True),
        ("allow_msg_ttl", True),
        ("subjects", ["evt.>", "other"]),
        ("republish", {"src": ">", "dest": "copy.>"}),
    ],
)
async def test_a_stream_configured_otherwise_is_named_and_not_changed(
    tmp_path: Path, field: str, value: object
) -> None:
    async with running_nats(tmp_path, streams=False) as running:
        # Given an EVT that differs in one field,
        client = await running.connect("bootstrap")
        config = {**stream_configs()["EVT"].as_dict(), field: value}
        if field == "allow_rollup_hdrs":
            config["deny_purge"] = False
        made = await ask(client, "$JS.API.STREAM.CREATE.EVT", msgspec.json.encode(config))
        assert made.error is None
        # when bootstrap runs, then it says so, and leaves the stream alone.
        with pytest.raises(StreamWrong, match=f"EVT.*{field} is"):
            await bootstrap(client)
        assert (await ask(client, "$JS.API.STREAM.INFO.EVT")).config == made.config


async def test_a_missing_stream_is_an_alarm_and_no_service_makes_one(tmp_path: Path) -> None:
    async with running_nats(tmp_path, streams=False) as running:
        client = await running.connect("monitor")
        with pytest.raises(LogDamaged, match="EVT does not exist"):
            await require_streams(client, "EVT", "MET", "LOG")


async def test_a_full_store_refuses_and_takes_again_with_more_room(tmp_path: Path) -> None:
    # Given a server that may store one mebibyte,
    async with running_nats(tmp_path, store_bytes_max=1024 * 1024) as small:
        registry = await small.connect("registry")
        acked = 0
        # when more comes, then it is refused with a reason, at once,
        while True:
            reply = await registry.request(f"evt.w.job.j{acked}", b"x" * 100_000, timeout=PATIENCE_SECONDS)
            if error := msgspec.json.decode(reply.data).get("error"):
                break
            acked += 1
        assert error["err_code"] == 10023 and acked > 1
    # and a server with more room goes on with all that was acknowledged.
    async with running_nats(tmp_path) as larger:
        registry = await larger.connect("registry")
        await registry.request("evt.w.job.more", b"{}", timeout=PATIENCE_SECONDS)
        assert (await stream_state(registry, "EVT")).messages == acked + 1


async def test_a_lost_block_shows_in_the_state(nats_server: RunningNats) -> None:
    # Given a log of 500 commits, and one flipped bit in the middle of its file,
    registry = await nats_server.connect("registry")
    for number in range(500):
        await registry.publish(f"evt.w.job.j{number}", b"x" * 500)
    await registry.request("evt.w.job.last", b"{}", timeout=PATIENCE_SECONDS)
    assert (await stream_state(registry, "EVT")).last == 501
    process = nats_server.server.process
    assert process is not None
    process.kill()
    await nats_server.server.died()
    block = next((nats_server.home / "nats" / "store").rglob("EVT/msgs/1.blk"))
    data = bytearray(block.read_bytes())
    data[len(data) // 2] ^= 1
    block.write_bytes(data)
    # when the server runs again, without a word about it,
    await nats_server.server.start()
    # then the state says less than was acknowledged.
    state = await stream_state(await nats_server.connect("monitor"), "EVT")
    assert state.messages < 501
