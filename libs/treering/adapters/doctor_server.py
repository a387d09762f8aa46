"""The nats-server: the running one is asked how it really runs; of one that is down, its files are looked at."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Iterator
from urllib.parse import urlsplit

from nats.aio.client import Client

from treering.adapters.findings import Finding, ok, warning, wrong
from treering.adapters.free_space import MIB
from treering.adapters.home_place import is_elsewhere
from treering.adapters.log_check import check_shape
from treering.adapters.nats_connect import NatsUnavailable, close, connect
from treering.adapters.nats_credentials import CredentialMissing, read_credential
from treering.adapters.nats_process import NatsServerError, find_server, log_tail, running_pid, server_url
from treering.adapters.nats_running import running_room, running_settings
from treering.adapters.nats_users import DOCTOR
from treering.adapters.streams import StreamWrong, ask, check_config, stream_configs, stream_state
from treering.config import Home
from treering.kernel.log import LogDamaged, LogUnavailable

LISTENS_SECONDS = 3.0
CONNECT_SECONDS = 15.0  # strangers may stand in the queue before it
CROWDED = 0.75  # of the connections there may be
VERSION_SECONDS = 10.0
SYNC = "sync_interval: always"


def program(home: Home) -> Iterator[Finding]:
    try:
        server = find_server()
    except NatsServerError as error:
        yield wrong("nats", str(error), "install treering again with its locked requirements")
        return
    done = subprocess.run([server, "--version"], capture_output=True, text=True, timeout=VERSION_SECONDS, check=False)
    said = done.stdout.strip() or done.stderr.strip()
    yield (
        ok("nats", said)
        if done.returncode == 0
        else wrong("nats", f"{server} does not run: {said}", "install it again")
    )


def server(home: Home) -> Iterator[Finding]:
    """Running or not, and then what it says, or what its files say."""
    config = home.nats / "nats.conf"
    if not config.exists():
        return
    pid = running_pid(config, home.nats / "nats.pid")
    try:
        if is_elsewhere(home):
            raise NatsUnavailable(f"the address in {home.root} is that of the home it was copied from")
        listens(server_url(home.root))
        yield from asyncio.run(asked(home))
        return
    except (NatsUnavailable, NatsServerError, CredentialMissing) as error:
        why = str(error)
    if pid:
        last = log_tail(home.nats / "nats.log").splitlines()[-1:]
        advice = f"stop treering and start it again; the log of the server ends: {''.join(last)}"
        yield wrong("nats", f"process {pid} runs and does not answer: {why}", advice)
    else:
        advice = "start treering (treering up)"
        yield warning("nats", "it does not run; the log is looked at in a copy of its files, see below", advice)
    if SYNC not in config.read_text():
        yield wrong("nats", f"{config} does not say {SYNC}", "start treering: it writes this file anew; do not edit it")


def listens(url: str) -> None:
    """NatsUnavailable when nobody listens there: to connect would wait for somebody who may come."""
    where = urlsplit(url)
    try:
        socket.create_connection((where.hostname or "", where.port or 0), timeout=LISTENS_SECONDS).close()
    except OSError as error:
        raise NatsUnavailable(f"nobody listens at {where.netloc}: {error.strerror or error}") from None


async def asked(home: Home) -> list[Finding]:
    url = server_url(home.root)
    doctor = await connect(url, read_credential(home.root, DOCTOR), "treering-doctor", timeout_seconds=CONNECT_SECONDS)
    try:
        found = [await settings(doctor, url), *await crowd(doctor)]
    finally:
        await close(doctor)
    client = await connect(
        url, read_credential(home.root, "bootstrap"), "treering-doctor", timeout_seconds=CONNECT_SECONDS
    )
    try:
        return found + [await stream(client, name) for name in stream_configs()]
    finally:
        await close(client)


async def settings(doctor: Client, url: str) -> Finding:
    said = await running_settings(doctor)
    address = urlsplit(url).netloc
    if not said.sync_always:
        advice = "stop this server and start it by treering: after a power cut its events may be gone"
        return wrong("nats", f"the server at {address} does not sync every event to disk", advice)
    return ok("nats", f"running at {address}, syncs every event, may store {said.max_storage / MIB:,.0f} MiB")


async def crowd(doctor: Client) -> list[Finding]:
    """Programs with a credential may have a quarter of the connections: most of many others are strangers'."""
    room = await running_room(doctor)
    if room.connections < CROWDED * room.max_connections:
        return []
    what = f"{room.connections:,} of its {room.max_connections:,} connections are taken, most by no program of yours"
    advice = "let only the addresses of your programs reach its port, and few connections of each (docs/operations.md)"
    return [warning("nats", what, advice)]


async def stream(client: Client, name: str) -> Finding:
    """Configured as it must be, and with every position there."""
    try:
        reply = await ask(client, f"$JS.API.STREAM.INFO.{name}")
        state = await stream_state(client, name)
        check_config(stream_configs(int(reply.config.get("num_replicas", 1)))[name], reply.config)
        if name == "EVT":
            check_shape(state)
    except (LogDamaged, StreamWrong) as error:
        return wrong("streams", str(error), "treering log verify")
    except LogUnavailable as error:
        return wrong("streams", str(error), "start treering again")
    return ok("streams", f"{name}: {state.messages:,} messages, the last at {state.last:,}, configured as it must be")
