"""Programs from outside have their share of the NATS connections, and services always find room."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from functools import partial

import msgspec
import pytest
from tests.services.test_http_limits import all_of

from treering.adapters import nats_server as nats_server_module
from treering.adapters.doctor_server import crowd
from treering.adapters.nats_accounts import add_publisher, add_subscriber
from treering.adapters.nats_config import OUTSIDE_CONNECTIONS_MAX, accounts_config
from treering.adapters.nats_connect import answer, reached
from treering.adapters.nats_credentials import Credential, read_credential
from treering.adapters.nats_users import LANES
from treering.testing.nats import RunningNats

pytestmark = pytest.mark.anyio
HELD = 64


async def logged_in(nats: RunningNats, user: str) -> tuple[str, asyncio.StreamWriter]:
    """What the server says to the login of one more connection, which stays open."""
    host, port = nats.urls[0].removeprefix("nats://").split(":")
    credential = read_credential(nats.home, user)
    reader, writer = await asyncio.open_connection(host, int(port))
    await reader.readline()
    login = {"user": credential.user, "pass": credential.password, "verbose": False}
    writer.write(b"CONNECT " + msgspec.json.encode(login) + b"\r\nPING\r\n")
    return (await reader.readline()).decode(), writer


async def test_a_publisher_with_all_its_connections_is_refused_more_while_others_and_services_come_in(
    nats_server: RunningNats,
) -> None:
    for name in ("greedy", "modest"):
        await add_publisher(nats_server.home, name)
    kept = [await logged_in(nats_server, "publisher-greedy") for _ in range(HELD)]
    one_more, writer = await logged_in(nats_server, "publisher-greedy")
    assert {said for said, _ in kept} == {"PONG\r\n"} and "maximum account active connections" in one_more
    for user in ("publisher-modest", "gateway", "registry", "executor"):
        await nats_server.connect(user)
    for open_one in (writer, *(writer for _, writer in kept)):
        open_one.close()


async def test_a_connection_that_shows_no_credential_is_closed(nats_server: RunningNats) -> None:
    host, port = nats_server.urls[0].removeprefix("nats://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    assert b"Authentication Timeout" in await all_of(reader)
    writer.close()


async def test_the_doctor_names_a_crowd_of_connections(
    nats_server: RunningNats, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await crowd(await nats_server.connect("doctor")) == []
    monkeypatch.setattr(nats_server_module, "CONNECTIONS_MAX", 16)
    await nats_server.server.stop()
    await nats_server.server.start()
    for _ in range(11):
        await nats_server.connect("registry")
    (found,) = await crowd(await nats_server.connect("doctor"))
    assert found.state == "warning" and "of its 16 connections" in found.found


async def test_a_program_added_while_the_server_runs_is_answered_at_once(nats_server: RunningNats) -> None:
    gateway = await nats_server.connect("gateway")
    for subject in ("pub.*.*", "sub.*.*"):
        await gateway.subscribe(subject, cb=partial(answer, body=b"yes"))
    await reached(gateway)
    for number in range(3):
        await add_publisher(nats_server.home, f"p{number}")
        await add_subscriber(nats_server.home, f"s{number}")
        for user, subject in ((f"publisher-p{number}", f"pub.p{number}"), (f"subscriber-s{number}", f"sub.s{number}")):
            client = await nats_server.connect(user)
            assert (await client.request(subject, b"?", timeout=5)).data == b"yes"


@pytest.mark.parametrize("programs", [1, 16, 500, OUTSIDE_CONNECTIONS_MAX])
def test_all_programs_together_have_no_more_connections_than_is_set_aside_for_them(programs: int) -> None:
    users = ["doctor", "gateway", *(f"publisher-p{number}" for number in range(programs))]
    text = accounts_config({user: Credential(user, "x", "_INBOX") for user in users})
    limits = [int(found) for found in re.findall(r"max_connections: (\d+)", text)]
    assert len(limits) == programs and sum(limits) <= OUTSIDE_CONNECTIONS_MAX and min(limits) >= 1


@pytest.mark.parametrize("programs", [2, LANES, 4 * LANES])
def test_each_program_has_a_lane_of_its_own_while_there_are_enough(programs: int) -> None:
    users = ["doctor", "gateway", *(f"publisher-p{number}" for number in range(programs))]
    text = accounts_config({user: Credential(user, "x", "_INBOX") for user in users})
    found = Counter(re.findall(r'subject: "pub\.(\d+)\.p\d+"', text))
    assert len(found) == min(programs, LANES) and max(found.values()) == max(programs // LANES, 1)
