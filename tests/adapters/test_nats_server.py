"""The embedded server: one per home, ready when start returns, gone when its owner is gone, data kept."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import sys
from pathlib import Path

import msgspec
import psutil
import pytest
from anyio.lowlevel import checkpoint

from treering.adapters import nats_process
from treering.adapters.nats_config import ACCOUNTS_FILE
from treering.adapters.nats_connect import close, connect
from treering.adapters.nats_credentials import read_credential
from treering.adapters.nats_process import NatsServerError, find_server, running_pid, server_url
from treering.adapters.nats_server import NatsServer
from treering.adapters.streams import require_streams, stream_state
from treering.testing.nats import RunningNats, running_nats

pytestmark = pytest.mark.anyio

PATIENCE_SECONDS = 10.0
OWNER = """
import asyncio, pathlib, sys
from treering.adapters.nats_server import NatsServer

async def main():
    server = NatsServer(pathlib.Path(sys.argv[1]))
    await server.start()
    print(server.process.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_second_owner_of_a_home_is_refused_and_the_first_goes_on(nats_server: RunningNats) -> None:
    with pytest.raises(NatsServerError, match="already runs"):
        await NatsServer(nats_server.home).start()
    await require_streams(await nats_server.connect("registry"), "EVT")


async def test_starting_and_stopping_twice_changes_nothing(nats_server: RunningNats) -> None:
    process = nats_server.server.process
    await nats_server.server.start()
    assert nats_server.server.process is process
    await nats_server.server.stop()
    await nats_server.server.stop()


async def test_a_restart_keeps_the_data_the_port_and_the_passwords(nats_server: RunningNats) -> None:
    registry = await nats_server.connect("registry")
    await registry.request("evt.w.job.j", b"{}", timeout=PATIENCE_SECONDS)
    before = nats_server.url, read_credential(nats_server.home, "registry").password
    await nats_server.server.stop()
    await nats_server.server.start()
    again = await nats_server.connect("registry")
    assert (await stream_state(again, "EVT")).last == 1
    assert (nats_server.url, read_credential(nats_server.home, "registry").password) == before


async def test_a_kill_of_the_server_is_reported_with_its_last_words_and_loses_nothing(
    nats_server: RunningNats,
) -> None:
    registry = await nats_server.connect("registry")
    await registry.request("evt.w.job.j", b"{}", timeout=PATIENCE_SECONDS)
    assert nats_server.server.process is not None
    nats_server.server.process.kill()
    why = await asyncio.wait_for(nats_server.server.died(), PATIENCE_SECONDS)
    assert "ended by itself with -9" in why and "Server is ready" in why
    await nats_server.server.start()
    assert (await stream_state(await nats_server.connect("registry"), "EVT")).last == 1


async def test_a_stop_that_was_asked_for_is_not_a_death(nats_server: RunningNats) -> None:
    waiting = asyncio.ensure_future(nats_server.server.died())
    await checkpoint()
    await nats_server.server.stop()
    assert await asyncio.wait_for(waiting, PATIENCE_SECONDS) == ""


async def test_a_kill_of_the_owner_ends_the_server(tmp_path: Path) -> None:
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OWNER, tmp_path, stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert owner.stdout is not None
    server = os.pidfd_open(int(await owner.stdout.readline()))
    try:
        ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(server, ended.set)
        owner.kill()
        await asyncio.wait_for(ended.wait(), PATIENCE_SECONDS)
    finally:
        asyncio.get_running_loop().remove_reader(server)
        os.close(server)
        await owner.communicate()


async def test_a_server_left_by_an_earlier_run_is_taken_over_with_its_data(tmp_path: Path) -> None:
    # Given a server that runs although its owner has ended,
    async with running_nats(tmp_path) as first:
        home = first.home
    left = await asyncio.create_subprocess_exec(find_server(), "-c", home / "nats" / "nats.conf")
    try:
        await close(await connect(server_url(home), read_credential(home, "doctor"), "test"))
        assert running_pid(home / "nats" / "nats.conf", home / "nats" / "nats.pid") == left.pid
        # when the next owner starts,
        async with running_nats(tmp_path) as second:
            # then the old server is gone, and the new one has the streams.
            assert await asyncio.wait_for(left.wait(), PATIENCE_SECONDS) is not None
            await require_streams(await second.connect("gateway"), "EVT", "MET", "LOG")
    finally:
        await nats_process.stop(left)


async def test_another_process_with_the_old_pid_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "nats.pid").write_text(str(os.getppid()))
    assert running_pid(tmp_path / "nats.conf", tmp_path / "nats.pid") is None


async def test_a_server_that_ignores_the_request_to_stop_is_killed(nats_server: RunningNats) -> None:
    process = nats_server.server.process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    await nats_process.stop(process, timeout_seconds=0.1)
    assert process.returncode == -signal.SIGKILL


async def test_a_remembered_port_that_is_taken_is_replaced(tmp_path: Path) -> None:
    async with running_nats(tmp_path) as first:
        port = int(first.url.rpartition(":")[2])
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        async with running_nats(tmp_path) as second:
            assert second.url != first_url(port)
            await require_streams(await second.connect("registry"), "EVT")


async def test_a_port_that_was_asked_for_and_is_taken_is_a_clear_error(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        server = NatsServer(tmp_path, port=other.getsockname()[1])
        with pytest.raises(NatsServerError, match="address already in use"):
            await server.start()
    with pytest.raises(NatsServerError, match="no NATS server has run"):
        server_url(tmp_path)


async def test_files_are_private_and_no_password_is_in_argv(nats_server: RunningNats) -> None:
    paths = [nats_server.home / "nats", nats_server.home / "keys" / "nats"]
    modes = {
        path: stat.S_IMODE(path.stat().st_mode)
        for folder in paths
        for path in (folder, *folder.iterdir())
    }  # fmt: skip
    assert {path: oct(mode) for path, mode in modes.items() if mode & 0o077} == {}
    assert nats_server.server.process is not None
    argv = psutil.Process(nats_server.server.process.pid).cmdline()
    assert "-c" in argv
    secrets = [read_credential(nats_server.home, user).password for user in ("registry", "route", "doctor")]
    assert not any(secret in argument for secret in secrets for argument in argv)


async def test_no_other_door_is_open(nats_server: RunningNats) -> None:
    doctor = await nats_server.connect("doctor")
    reply = await doctor.request("$SYS.REQ.SERVER.PING.VARZ", b"{}", timeout=PATIENCE_SECONDS)
    running = msgspec.json.decode(reply.data)["data"]
    assert running["host"] == "127.0.0.1" and running["auth_required"] is True
    assert running["http_port"] == 0 and running["https_port"] == 0
    assert (running["websocket"], running["mqtt"], running["leaf"], running["cluster"]) == ({}, {}, {}, {})
    assert "no_auth_user" not in (nats_server.home / "nats" / ACCOUNTS_FILE).read_text()


def first_url(port: int) -> str:
    return f"nats://127.0.0.1:{port}"
