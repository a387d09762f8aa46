"""Who may do what is in the log: said by the one who changed it, or found; and who is shut out is shut out at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from tests.services.gateway_example import Api, running_gateway

from treering.adapters.names import Name, commitment, new_name, read_names, write_names
from treering.adapters.nats_accounts import add_publisher, remove_publisher
from treering.adapters.subscribers import Subscribers
from treering.adapters.witnesses import add_witness, remove_witness
from treering.config import Home
from treering.testing.nats import RunningNats

pytestmark = pytest.mark.anyio
SECONDS = 30.0


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    async with running_gateway(nats_server) as running:
        yield running


async def events(api: Api, kind: str = "credential") -> list[dict[str, Any]]:
    """Every event of the kind in the log, as (subject, actor, type and data)."""
    answer = await api.ask("GET", f"/v1/events?follow=false&kind={kind}")
    return [msgspec.json.decode(line) for line in answer.body.splitlines()]


async def record(api: Api) -> list[str]:
    answer = await api.ask("POST", "/v1/access/record", {})
    assert answer.status == 200, answer.body
    return list(answer.json["recorded"])


def actor_of(api: Api) -> str:
    (actor,) = read_names(api.home)
    return actor


async def test_who_runs_the_installation_is_granted_everything_before_anything_is_done(api: Api) -> None:
    (granted,) = await events(api)
    actor = actor_of(api)
    assert (granted["type"], granted["subject"]) == ("credential.granted", f"credential/user:{actor}")
    assert granted["data"]["rights"] == ["everything"] and granted["data"]["found"] is True
    assert granted["data"]["name"] == commitment(actor, read_names(api.home)[actor])
    assert api.tokens.owner not in msgspec.json.encode(granted).decode()


async def test_a_publisher_a_subscriber_and_a_witness_come_and_go_by_whoever_said_so(api: Api) -> None:
    await add_publisher(api.home.root, "ci", "w")
    Subscribers(api.home.keys).add("board", "w")
    add_witness(api.home, "file", str(api.home.root.parent / "w.checkpoint"), "notary", required=True)
    assert await record(api) == ["credential/publisher:ci", "credential/subscriber:board", "witness/notary"]
    assert await record(api) == []
    await remove_publisher(api.home.root, "ci")
    Subscribers(api.home.keys).remove("board")
    remove_witness(api.home, "notary")
    assert set(await record(api)) == {"credential/publisher:ci", "credential/subscriber:board", "witness/notary"}
    said = [one for one in await events(api) if "user:" not in one["subject"]] + await events(api, "witness")
    assert [one["type"].rpartition(".")[2] for one in said] == ["granted"] * 2 + ["revoked"] * 2 + ["added", "removed"]
    assert {one["actor"] for one in said} == {actor_of(api)} and not any(one["data"].get("found") for one in said)


async def test_the_limits_of_a_publisher_are_on_record_and_other_ones_are_a_new_grant(api: Api) -> None:
    await add_publisher(api.home.root, "ci", "w", ["/ci/"], ["build.*"])
    await record(api)
    await remove_publisher(api.home.root, "ci")
    await add_publisher(api.home.root, "ci", "w")
    await record(api)
    data = [one["data"] for one in await events(api) if one["subject"] == "credential/publisher:ci"]
    assert [(one.get("sources"), one.get("types")) for one in data] == [
        (["/ci/"], ["build.*"]), (None, None), (None, None)
    ]  # fmt: skip
    assert await record(api) == []


async def test_who_is_let_in_by_a_file_alone_is_in_the_log_before_they_see_anything(api: Api) -> None:
    token = Subscribers(api.home.keys).add("sneaky", "w").token
    answer = await api.ask("GET", "/v1/events?follow=false&kind=credential", token=token)
    (seen,) = [msgspec.json.decode(line) for line in answer.body.splitlines()]
    assert (seen["subject"], seen["data"]["found"]) == ("credential/subscriber:sneaky", True)
    assert seen["actor"] == "service:gateway"


async def test_a_file_that_is_open_to_others_is_named_and_lets_nobody_new_in(api: Api) -> None:
    credential = await add_publisher(api.home.root, "open", "w")
    path = api.home.keys / "nats" / f"{credential.user}.json"
    path.chmod(0o644)
    answer = await api.ask("POST", "/v1/access/record", {})
    assert (answer.status, answer.json["code"]) == (400, "credential.unusable") and str(path) in answer.json["detail"]
    token = Subscribers(api.home.keys).add("late", "w").token
    answer = await api.ask("GET", "/v1/events?follow=false", token=token)
    assert (answer.status, answer.json["code"]) == (503, "log.unavailable") and str(path) not in answer.json["detail"]
    path.chmod(0o600)
    assert (await api.ask("GET", "/v1/events?follow=false", token=token)).status == 200


async def test_what_nobody_said_is_found_after_a_while(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("treering_services.gateway.access.SETTLED_SECONDS", 0.0)
    monkeypatch.setattr("treering_services.gateway.access.WATCH_SECONDS", 0.05)
    await api.gateway_again()  # the one before has begun to wait for the old time
    Subscribers(api.home.keys).add("board", "w")
    async with asyncio.timeout(SECONDS):
        while not [one for one in await events(api) if one["subject"] == "credential/subscriber:board"]:
            await api.ask("GET", "/healthz")


async def test_a_secret_that_was_swapped_by_hand_is_seen(api: Api) -> None:
    Subscribers(api.home.keys).add("board", "w")
    await record(api)
    Subscribers(api.home.keys).remove("board")
    Subscribers(api.home.keys).add("board", "w")
    assert await record(api) == ["credential/subscriber:board"]
    assert (await events(api))[-1]["type"] == "credential.rotated"


async def test_streams_of_a_subscriber_end_when_it_is_removed_and_those_of_others_go_on(api: Api) -> None:
    known = Subscribers(api.home.keys)
    gone, stays = known.add("gone", "w").token, known.add("stays", "w").token
    await record(api)
    ended = {token: threading.Event() for token in (gone, stays)}

    def watch(token: str) -> None:
        with api.connection() as connection:
            connection.request(
                "GET", "/v1/events", headers={"authorization": f"Bearer {token}", "accept": "text/event-stream"}
            )
            response = connection.getresponse()
            while response.readline():
                pass
            ended[token].set()

    readers = [asyncio.to_thread(watch, token) for token in (gone, stays)]
    tasks = [asyncio.create_task(reader) for reader in readers]
    while (await api.ask("GET", "/v1/status")).json["streams"] != 2:
        pass
    known.remove("gone")
    await record(api)
    assert await asyncio.to_thread(ended[gone].wait, SECONDS)
    assert (await api.ask("GET", "/v1/status")).json["streams"] == 1 and not ended[stays].is_set()
    known.remove("stays")
    await record(api)
    await asyncio.gather(*tasks)


async def test_a_name_is_given_and_erased_openly_and_the_log_never_has_it(api: Api) -> None:
    actor = actor_of(api)
    assert (await api.ask("POST", f"/v1/names/{actor}", {"name": "Anna Berg"})).status == 200
    name = read_names(api.home)[actor]
    assert name.name == "Anna Berg" and name.login
    assert (await events(api))[-1]["data"]["name"] == commitment(actor, name)
    assert (await api.ask("POST", f"/v1/names/{actor}", {"name": ""})).status == 200
    assert read_names(api.home) == {} and (await events(api))[-1]["type"] == "credential.name_erased"
    assert b"Anna" not in (await api.ask("GET", "/v1/events?follow=false")).body
    for key, body in ((actor, {"name": "x"}), ("u_nobody", {"name": "x"}), (actor, {"name": "a\nb"})):
        assert 400 <= (await api.ask("POST", f"/v1/names/{key}", body)).status < 500


async def test_a_name_that_was_rewritten_on_disk_is_never_taken_over_by_the_log(api: Api) -> None:
    actor = actor_of(api)
    write_names(api.home, {actor: Name("mallory", read_names(api.home)[actor].salt, read_names(api.home)[actor].login)})
    assert await record(api) == []
    assert len(await events(api)) == 1


async def test_nobody_grants_by_a_command(api: Api) -> None:
    path = "/v1/workspaces/w/credentials/publisher:x"
    answer = await api.ask("POST", f"{path}/grant", {"sort": "publisher", "rights": ["publish"]})
    assert (answer.status, answer.json["code"]) == (403, "command.forbidden")
    assert (await api.ask("POST", "/v1/workspaces/w/witnesses/x/remove", {})).json["code"] == "command.forbidden"


async def test_names_of_the_first_release_get_a_salt_and_are_told_to_the_log(nats_server: RunningNats) -> None:
    home = Home(nats_server.home)
    home.create()
    (home.keys / "actors.json").write_text('{"u_0badcafe": "anna"}')
    async with running_gateway(nats_server) as api:
        name = read_names(api.home)["u_0badcafe"]
        assert (name.name, name.login, len(name.salt)) == ("anna", "anna", len(new_name("", "").salt))
        told = {one["subject"]: one["data"]["name"] for one in await events(api)}
        assert told["credential/user:u_0badcafe"] == commitment("u_0badcafe", name)
