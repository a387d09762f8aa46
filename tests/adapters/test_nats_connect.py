"""Connections: nothing fails in silence, nothing is stored late, and a restart of the server is survived."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import nats.errors
import pytest
from anyio.lowlevel import checkpoint
from nats.aio.client import Client
from nats.aio.msg import Msg

from treering.adapters.nats_accounts import add_publisher, write_accounts
from treering.adapters.nats_connect import Connection, NatsUnavailable, close, connect, drain, reached
from treering.adapters.nats_credentials import Credential, keys_folder, read_credential
from treering.adapters.nats_process import running_pid
from treering.adapters.nats_running import running_settings
from treering.adapters.streams import stream_state
from treering.kernel.listening import listening
from treering.testing.nats import RunningNats

pytestmark = pytest.mark.anyio

PATIENCE_SECONDS = 10.0
LATE_SECONDS = 2.5  # longer than the library waits by itself
FILLING_MESSAGES, FILLING_BYTES = 400, 64 * 1024


async def test_the_running_server_syncs_every_message(nats_server: RunningNats) -> None:
    settings = await running_settings(await nats_server.connect("doctor"))
    assert settings.sync_always


async def test_a_refused_permission_is_told_at_once(nats_server: RunningNats) -> None:
    told: asyncio.Queue[str] = asyncio.Queue()
    client = await nats_server.connect("monitor", on_violation=told.put_nowait)
    await client.publish("evt.w.job.j", b"{}")
    assert "evt.w.job.j" in await asyncio.wait_for(told.get(), PATIENCE_SECONDS)


async def test_a_wrong_password_is_refused_at_once(nats_server: RunningNats) -> None:
    wrong = Credential("registry", "wrong", "_INBOX_registry")
    async with asyncio.timeout(PATIENCE_SECONDS):
        with pytest.raises(NatsUnavailable, match="refuses the credential"):
            await connect(nats_server.url, wrong, "test", timeout_seconds=10 * PATIENCE_SECONDS)


async def test_a_client_keeps_its_place_before_a_server_that_takes_long_to_greet_it(nats_server: RunningNats) -> None:
    """As behind thousands of strangers: whoever comes again has to wait as long again."""
    host, port = nats_server.url.removeprefix("nats://").split(":")
    came = list[None]()

    async def greet_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(None)
        await asyncio.sleep(LATE_SECONDS)
        server_reader, server_writer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(pass_on(reader, server_writer), pass_on(server_reader, writer))

    async with listening(greet_late) as queue:
        url = f"nats://127.0.0.1:{queue}"
        client = await connect(url, read_credential(nats_server.home, "registry"), "test")
        await close(client)
    assert len(came) == 1


async def test_a_client_that_is_cut_off_in_the_greeting_closes_that_socket(nats_server: RunningNats) -> None:
    # Given a client behind something that cuts off its connection, and then the greeting of the next two,
    host, port = nats_server.url.removeprefix("nats://").split(":")
    connected, cut, closed = list[asyncio.StreamWriter](), list[None](), asyncio.Queue[bytes]()

    async def cut_greetings(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if connected and len(cut) < 2:
            cut.append(None)
            writer.write_eof()
            await reader.read()  # until the other side is closed too
            writer.close()
            closed.put_nowait(b"")
            return
        server_reader, server_writer = await asyncio.open_connection(host, int(port))
        connected.append(writer)
        await asyncio.gather(pass_on(reader, server_writer), pass_on(server_reader, writer))

    async with listening(cut_greetings) as between:
        url = f"nats://127.0.0.1:{between}"
        client = await connect(url, read_credential(nats_server.home, "registry"), "test")
        gc.disable()  # which would close a lost socket some time
        try:
            connected[0].close()
            # when it has connected again, then it has closed both.
            await asyncio.wait_for(closed.get(), PATIENCE_SECONDS)
            await asyncio.wait_for(closed.get(), PATIENCE_SECONDS)
            await until_connected(client)
        finally:
            gc.enable()
            await close(client)


async def test_a_client_whose_opening_is_given_up_twice_closes_its_socket() -> None:
    # Given a client that waits for the greeting of a server
    opened, closed = asyncio.Event(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.set()
        await reader.read()
        writer.close()
        closed.set()

    async with listening(silent) as port:
        credential = Credential("registry", "", "_INBOX_registry")
        opening = asyncio.create_task(connect(f"nats://127.0.0.1:{port}", credential, "test"))
        gc.disable()  # which would close a lost socket some time
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await opened.wait()
                # when it is told twice to give up,
                opening.cancel()
                await checkpoint()
                opening.cancel()
                await asyncio.wait({opening})
                # then the server sees the end of the connection.
                await closed.wait()
        finally:
            gc.enable()


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(64 * 1024):
            writer.write(data)
    except ConnectionError:
        pass
    finally:
        writer.close()


async def test_an_absent_server_is_waited_for_in_bounds(unused_port: int) -> None:
    nobody = Credential("registry", "x", "_INBOX_registry")
    with pytest.raises(NatsUnavailable, match=str(unused_port)):
        await connect(f"nats://127.0.0.1:{unused_port}", nobody, "test", timeout_seconds=0.3)


async def test_a_publish_without_connection_fails_and_is_not_stored_later(nats_server: RunningNats) -> None:
    registry = await nats_server.connect("registry")
    await nats_server.server.stop()
    await until_disconnected(registry)
    with pytest.raises(nats.errors.OutboundBufferLimitError):
        await registry.publish("evt.w.job.ghost", b"{}")
    await nats_server.server.start()
    await until_connected(registry)
    await reached(registry)
    assert (await stream_state(registry, "EVT")).messages == 0


async def test_a_request_under_way_fails_when_the_connection_is_lost(nats_server: RunningNats) -> None:
    # Given a request that its service has, and does not answer,
    monitor, gateway = await nats_server.connect("monitor"), await nats_server.connect("gateway")
    asked = asyncio.Event()

    async def note(message: Msg) -> None:
        asked.set()

    await monitor.subscribe("qry.*", cb=note)
    await reached(monitor)
    request = asyncio.create_task(gateway.request("qry.audit", b"?", timeout=100 * PATIENCE_SECONDS))
    await asyncio.wait_for(asked.wait(), PATIENCE_SECONDS)
    # when the server ends, then the asker knows.
    await nats_server.server.stop()
    with pytest.raises(nats.errors.Error, match="lost before the answer"):
        await asyncio.wait_for(request, PATIENCE_SECONDS)


async def test_what_a_hanging_server_did_not_take_is_not_stored_by_the_next(nats_server: RunningNats) -> None:
    registry = await nats_server.connect("registry")
    config, pid_file = nats_server.server.config, nats_server.server.folder / "nats.pid"
    pid = running_pid(config, pid_file)
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    for _ in range(FILLING_MESSAGES):  # more than all buffers on the way take, so that the last ones stay with us
        await registry.publish("evt.w.job.ghost", bytes(FILLING_BYTES))
        await checkpoint()
    os.kill(pid, signal.SIGKILL)
    await nats_server.server.died()
    await until_disconnected(registry)
    await nats_server.server.start()
    await until_connected(registry)
    await reached(registry)
    assert (await stream_state(registry, "EVT")).messages == 0


@pytest.mark.parametrize("end", [close, drain])
async def test_a_client_of_a_hanging_server_leaves_no_socket_when_it_is_closed(
    nats_server: RunningNats, end: Callable[..., Awaitable[None]]
) -> None:
    # Given a server that takes nothing more, and a client with much to send,
    registry: Any = await nats_server.connect("registry")
    pid = running_pid(nats_server.server.config, nats_server.server.folder / "nats.pid")
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        for _ in range(FILLING_MESSAGES):
            await registry.publish("evt.w.job.ghost", bytes(FILLING_BYTES))
            await checkpoint()
        transport = registry._transport._io_writer.transport
        # when it is closed, in less time than that takes, then its socket is closed too.
        await end(registry, timeout_seconds=0.05)
        assert transport.is_closing() and not transport.get_write_buffer_size()
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_a_client_that_is_interrupted_as_it_connects_leaves_no_connection(nats_server: RunningNats) -> None:
    # Given a client that has just connected, in the turn of the loop in which that is told to whoever waits for it,
    class Interrupted(Connection):
        async def connect(self, *servers: Any, **options: Any) -> None:
            await super().connect(*servers, **options)
            asyncio.get_running_loop().call_soon(connecting.cancel)

    client = Interrupted()
    credential = read_credential(nats_server.home, "registry")
    connecting = asyncio.ensure_future(connect(nats_server.url, credential, "test", client=client))
    # when that one is cancelled, then nothing is left open.
    with pytest.raises(asyncio.CancelledError):
        await connecting
    assert client.is_closed


async def test_subscriptions_live_through_a_restart_or_start_during_it(nats_server: RunningNats) -> None:
    # Given a subscription from before, and one made while there is no connection,
    monitor, gateway = await nats_server.connect("monitor"), await nats_server.connect("gateway")
    asked: asyncio.Queue[str] = asyncio.Queue()

    async def note(message: Msg) -> None:
        await asked.put(message.subject)

    await monitor.subscribe("qry.*", cb=note)
    await nats_server.server.stop()
    await until_disconnected(monitor)
    await monitor.subscribe("qry.*", queue="late", cb=note)
    # when the server is back,
    await nats_server.server.start()
    for client in (monitor, gateway):
        await until_connected(client)
        await reached(client)
    await gateway.publish("qry.audit", b"?")
    # then each gets the request, once.
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert [await asked.get(), await asked.get()] == ["qry.audit", "qry.audit"]
    await reached(gateway)
    await reached(monitor)
    assert asked.empty()


async def test_a_client_whose_credential_is_taken_back_is_told(nats_server: RunningNats) -> None:
    await add_publisher(nats_server.home, "gone")
    told: asyncio.Queue[str] = asyncio.Queue()
    await nats_server.connect("publisher-gone", on_violation=told.put_nowait)
    (keys_folder(nats_server.home) / "publisher-gone.json").unlink()
    write_accounts(nats_server.home)
    pid = running_pid(nats_server.server.config, nats_server.server.folder / "nats.pid")
    assert pid is not None
    os.kill(pid, signal.SIGHUP)
    assert "for good" in await asyncio.wait_for(told.get(), PATIENCE_SECONDS)


async def test_our_own_close_and_drain_alarm_nobody_and_may_be_said_twice(nats_server: RunningNats) -> None:
    told: list[str] = []
    credential = read_credential(nats_server.home, "registry")
    for end in (close, drain):
        client = await connect(nats_server.url, credential, "test", on_violation=told.append)
        await end(client)
        await end(client)
        assert client.is_closed
    assert told == []


async def until_disconnected(client: Client) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while client.is_connected:
            await checkpoint()


async def until_connected(client: Client) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not client.is_connected:
            await checkpoint()


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
