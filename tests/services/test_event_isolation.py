"""Event routes x credentials x workspaces: what one is not entitled to is never delivered, and nobody can forge."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from nats.aio.client import Client
from tests.services.gateway_example import SPEC, Api, running_gateway

from treering.adapters.bus import ask
from treering.adapters.nats_accounts import add_publisher, remove_publisher
from treering.adapters.nats_credentials import keys_folder, read_credential
from treering.adapters.subscribers import Subscribers
from treering.domain.job_messages import CompleteJob
from treering.kernel.refusal import Refused
from treering.testing.nats import RunningNats

pytestmark = pytest.mark.anyio
EVENT = {"id": "1", "source": "s", "type": "a.b"}
SCHEMA = {"schema": {"type": "object"}}
WORKSPACES = ("w", "v")
PUBLISHERS = {"ci": "w", "theirs": "v", "old": "main"}
# (method, path, body): each with every workspace in the place of WS.
WATCHING: tuple[tuple[str, str, Any], ...] = (
    ("GET", "/v1/events?ws=WS&follow=false", None),
    ("GET", "/v1/events?ws=WS&kind=event&type=a.b", None),
    ("GET", "/v1/events?ws=WS&kind=experiment&name=secret", None),
)
EVERYWHERE: tuple[tuple[str, str, Any], ...] = (
    ("GET", "/v1/events", None),
    ("GET", "/v1/events?kind=experiment", None),
    ("GET", "/asyncapi.json", None),
)
OWNERS: tuple[tuple[str, str, Any], ...] = (
    ("POST", "/v1/workspaces/WS/webhooks", {"name": "h", "url": "http://127.0.0.1:9/", "secret": "bad"}),
    ("POST", "/v1/workspaces/WS/webhooks/h/test", {}),
    ("POST", "/v1/workspaces/WS/webhooks/h/pause", {}),
    ("POST", "/v1/workspaces/WS/webhooks/h/secret", {}),
    ("POST", "/v1/workspaces/WS/webhooks/h/redeliver", {}),
    ("GET", "/v1/workspaces/WS/webhooks/h/dead", None),
    ("GET", "/v1/workspaces/WS/webhooks/h/delivery", None),
    ("GET", "/v1/workspaces/WS/webhooks/h", None),
    ("GET", "/v1/workspaces/WS/webhooks", None),
    ("POST", "/v1/workspaces/WS/event_schemas/t/create", SCHEMA),
    ("GET", "/v1/workspaces/WS/events", None),
    ("GET", "/v1/workspaces/WS/experiments/secret", None),
    ("GET", "/v1/audit", None),
)
PUBLISHING: tuple[tuple[str, str, Any], ...] = (
    ("POST", "/v1/workspaces/WS/events", EVENT),
    ("POST", "/v1/workspaces/WS/events", [EVENT]),
)


@dataclass
class Credential:
    """``watches``: the workspaces whose events it may see. ``publishes``: the subjects it may publish about."""

    token: str
    owner: bool = False
    watches: tuple[str, ...] = ()
    publishes: str = ""
    known: bool = True


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    for name, workspace in PUBLISHERS.items():
        await add_publisher(nats_server.home, name, workspace)
    keys_folder(nats_server.home).joinpath("publisher-old.json").write_bytes(without_workspace(nats_server, "old"))
    async with running_gateway(nats_server) as running:
        await running.ask("POST", "/v1/workspaces/v/create", {})
        for workspace in WORKSPACES:
            for path, body in (("experiments/secret/create", {}), ("events", {**EVENT, "id": "seed"})):
                assert (await running.ask("POST", f"/v1/workspaces/{workspace}/{path}", body)).status < 300
        yield running


async def credentials(api: Api) -> dict[str, Credential]:
    held = await api.held("mine")
    over = await api.held("over")
    done = await api.send_as("executor", over, CompleteJob(1, "n1"))
    await api.reader.projector.reached(done.position)
    subscribers = Subscribers(api.home.keys)
    gone = subscribers.add("gone", "w").token
    subscribers.remove("gone")
    mine = subscribers.add("mine", "w").token
    return {
        "none": Credential("", known=False),
        "garbage": Credential("trs.mine.guess", known=False),
        "of a file elsewhere": Credential("trs.../../token.x", known=False),
        "owner": Credential(api.tokens.owner, owner=True, watches=(*WORKSPACES, "main")),
        "join": Credential(api.tokens.join),
        "node": Credential(api.tokens.mint_node("w", "n1")),
        "job": Credential(api.tokens.mint_job(held, 1), publishes="job/mine"),
        "job that is over": Credential(api.tokens.mint_job(over, 1), known=False),
        "subscriber of w": Credential(mine, watches=("w",)),
        "subscriber of v": Credential(subscribers.add("theirs", "v").token, watches=("v",)),
        "subscriber removed": Credential(gone, known=False),
    }


async def test_nobody_is_sent_what_is_not_for_them(api: Api) -> None:
    cells = 0
    for name, credential in (await credentials(api)).items():
        for workspace in WORKSPACES:
            for method, path, body in (*WATCHING, *EVERYWHERE, *OWNERS, *PUBLISHING):
                answer = await api.ask(method, path.replace("WS", workspace), body, token=credential.token)
                case = (name, workspace, method, path, answer.status, answer.body[:200])
                cells += 1
                if not credential.known:
                    assert answer.status == 401, case
                elif credential.owner:
                    assert answer.status not in (401, 403), case
                elif (method, path, body) in EVERYWHERE:
                    assert answer.status == (200 if credential.watches else 403), case
                elif (method, path, body) in WATCHING:
                    assert answer.status == (200 if workspace in credential.watches else 403), case
                else:
                    refused = isinstance(body, list) and credential.publishes and workspace == "w"
                    assert answer.status == (207 if refused else 403), case
                if answer.status == 200 and path.startswith("/v1/events"):
                    assert seen(answer.body) <= {f"/treering/{one}" for one in credential.watches}, case
    assert cells == 11 * 2 * (len(WATCHING) + len(EVERYWHERE) + len(OWNERS) + len(PUBLISHING))


def seen(lines: bytes) -> set[str]:
    """The sources of what was delivered that say a workspace; nobody may publish under such a source."""
    events = [msgspec.json.decode(line) for line in lines.splitlines()]
    return {event["source"] for event in events if event["source"].startswith("/treering/")}


async def test_a_live_stream_has_only_the_subscribers_own_workspace(api: Api) -> None:
    mine = Subscribers(api.home.keys).add("mine", "w").token
    headers = {"authorization": f"Bearer {mine}"}
    first = (await api.events("/v1/events?kind=experiment", 1, headers))[0]
    await api.ask("POST", "/v1/workspaces/v/experiments/theirs/create")
    await api.ask("POST", "/v1/workspaces/w/experiments/ours/create")
    resumed = await api.events("/v1/events?kind=experiment", 1, {**headers, "last-event-id": first["id"]})
    assert msgspec.json.decode(resumed[0]["data"])["subject"] == "experiment/ours"


async def test_nobody_resumes_into_a_commit_of_another_workspace(api: Api) -> None:
    """Last-Event-ID names a commit by its position, which may be one of another workspace."""
    await api.ask("POST", "/v1/workspaces/v/computes/local/create", {"compute_type": "local"})
    submitted = await api.ask("POST", "/v1/workspaces/v/jobs", {"name": "j", "spec": SPEC})
    theirs = submitted.json["position"]
    canceled = (await api.ask("POST", "/v1/workspaces/v/jobs/j/cancel")).json["position"]
    mine = Subscribers(api.home.keys).add("mine", "w").token
    for at in (theirs, canceled):
        headers = {"last-event-id": f"{at}.0"}
        lines = (await api.ask("GET", "/v1/events", headers=headers, token=mine)).body
        assert not [line for line in lines.splitlines() if b"/treering/v" in line]


async def test_a_publisher_cannot_forge_actor_time_place_or_anothers_resource(api: Api) -> None:
    job = await api.held("mine")
    token = api.tokens.mint_job(job, 1)
    mine = {**EVENT, "id": "2", "subject": "job/mine", "source": "/treering/w/job/mine"}
    forged = {"actor": "u_boss", "position": 1, "commandid": "x", "recordedtime": "2000-01-01T00:00:00Z"}
    for field, value in forged.items():
        answer = await api.ask("POST", "/v1/workspaces/w/events", {**mine, field: value}, token=token)
        assert (answer.status, answer.code) == (400, "event.malformed"), field
    as_ours = {**mine, "source": "/treering/w", "type": "job.completed"}
    assert (await api.ask("POST", "/v1/workspaces/w/events", as_ours, token=token)).code == "event.source_reserved"
    said = {**mine, "time": "2000-01-01T00:00:00Z"}
    position = (await api.ask("POST", "/v1/workspaces/w/events", said, token=token)).json["results"][0]["position"]
    event = msgspec.json.decode((await api.events(f"/v1/events?since={position - 1}", 1))[0]["data"])
    assert event["actor"] == "job:mine" and event["time"] == "2000-01-01T00:00:00Z"
    assert event["recordedtime"] > "2020" and event["position"] == position
    story = (await api.ask("GET", f"/v1/events?kind=event&since={position - 1}")).body
    assert b"job:mine" in story


@pytest.mark.parametrize("bounded", [True, False])
async def test_a_job_publishes_under_its_own_source_and_as_no_other(api: Api, bounded: bool) -> None:
    # Given two jobs, and the token of one of them,
    await api.submitted("other")
    job = await api.held("mine", **({} if bounded else {"identity": "user_identity"}))
    token = api.tokens.mint_job(job, 1)

    async def said(as_: str | None, **more: Any) -> Any:
        event = {"id": "1", "type": "a.b", "subject": "job/mine", **more}
        return await api.ask("POST", "/v1/workspaces/w/events", event, token=as_)

    # then its source is the job's, said or not,
    own = "/treering/w/job/mine"
    first, again = (await said(token)).json["results"], (await said(token, source=own)).json["results"]
    assert again[0] == {**first[0], "duplicate": True}
    line = (await api.ask("GET", f"/v1/events?since={first[0]['position'] - 1}")).body.splitlines()[0]
    assert msgspec.json.decode(line)["source"] == own
    # and it is no other's, however that is spelled; nobody else has it.
    for source in ("/treering/w/job/other", "/treering/w/job/mine/../other", "/treering/v/job/mine", "/treering/w"):
        assert (await said(token, id="2", source=source)).code == "event.source_reserved", source
    assert (await said(None, source=own, id="2")).code == "event.source_reserved"
    # A job with rights of its own has no other source; one with its submitter's may do what he may.
    free = await said(token, id="3", source="/deploy")
    assert (free.status, free.code) == ((403, "event.source_forbidden") if bounded else (200, ""))


async def test_a_publisher_on_nats_speaks_under_its_own_name_only(api: Api) -> None:
    ci = await api.nats.connect("publisher-ci")

    async def said(workspace: str, **more: Any) -> dict[str, Any]:
        body = msgspec.json.encode({"workspace": workspace, "events": [{**EVENT, "id": "n", **more}]})
        found: dict[str, Any] = msgspec.json.decode(await ask(ci, "pub.ci", body, timeout_seconds=20.0))
        return found

    assert (await said("w", subject="experiment/none"))["results"][0]["code"] == "event.subject_absent"
    assert (await said("w", actor="u_boss"))["results"][0]["code"] == "event.malformed"
    stored = (await said("w"))["results"][0]["position"]
    event = msgspec.json.decode((await api.events(f"/v1/events?since={stored - 1}", 1))[0]["data"])
    assert event["actor"] == "publisher:ci"


def without_workspace(nats: RunningNats, name: str) -> bytes:
    """The publisher's credential as it was written before publishers had a workspace."""
    credential = read_credential(nats.home, f"publisher-{name}")
    return msgspec.json.encode({"user": credential.user, "password": credential.password, "inbox": credential.inbox})


async def publishes(client: Client, name: str, workspace: str, id: str, **more: str) -> dict[str, Any]:
    body = msgspec.json.encode({"workspace": workspace, "events": [{**EVENT, "id": id, **more}]})
    found: dict[str, Any] = msgspec.json.decode(await ask(client, f"pub.{name}", body, timeout_seconds=20.0))
    return found


async def test_each_publisher_on_nats_publishes_into_its_own_workspace_only(api: Api) -> None:
    await api.ask("POST", "/v1/workspaces/main/create", {})
    for name, own in PUBLISHERS.items():
        client = await api.nats.connect(f"publisher-{name}")
        for workspace in (*WORKSPACES, "main", "absent"):
            answer = await publishes(client, name, workspace, f"{name}-{workspace}")
            assert answer.get("refused") == 0 if workspace == own else answer["code"] == "event.forbidden", (
                name, workspace, answer,
            )  # fmt: skip
    lines = (await api.ask("GET", "/v1/events?kind=event")).body.splitlines()
    told = sorted((event["actor"], event["id"]) for event in map(msgspec.json.decode, lines) if event["id"] != "seed")
    assert told == [("publisher:ci", "ci-w"), ("publisher:old", "old-main"), ("publisher:theirs", "theirs-v")]


async def test_a_publisher_is_of_one_workspace_until_it_is_removed(api: Api) -> None:
    # Given a publisher of w that is connected,
    closed: asyncio.Queue[str] = asyncio.Queue()
    client = await api.nats.connect("publisher-ci", on_violation=closed.put_nowait)
    with pytest.raises(Refused, match=r"publisher\.exists"):
        await add_publisher(api.nats.home, "ci", "v")
    assert (await publishes(client, "ci", "w", "before"))["refused"] == 0
    # when it is removed,
    await remove_publisher(api.nats.home, "ci")
    # then its connection is closed for good, and the name is free for another workspace.
    assert "for good" in await asyncio.wait_for(closed.get(), 20.0)
    await add_publisher(api.nats.home, "ci", "v")
    again = await api.nats.connect("publisher-ci")
    assert (await publishes(again, "ci", "w", "after"))["code"] == "event.forbidden"
    with pytest.raises(Refused, match=r"publisher\.absent"):
        await remove_publisher(api.nats.home, "none")


async def test_a_publisher_takes_no_source_or_type_that_it_was_not_given(api: Api) -> None:
    # Given a publisher with limits, and another program whose source they leave out,
    limits = (["/build/"], ["build.*", "check.done"])
    await add_publisher(api.nats.home, "limited", "w", *limits)
    await add_publisher(api.nats.home, "deploy", "w", ["/deploy/"])
    limited = await api.nats.connect("publisher-limited")
    deploy = await api.nats.connect("publisher-deploy")

    async def code(id: str, source: str, type: str) -> str:
        (result,) = (await publishes(limited, "limited", "w", id, source=source, type=type))["results"]
        return str(result.get("code", ""))

    # then it publishes within them, twice the same is once,
    assert [await code("1", "/build/x", "build.finished") for _ in range(2)] == ["", ""]
    assert await code("2", "/build/x", "check.done") == ""
    # and is refused outside of them, so that the other program's id is still free.
    assert await code("next", "/deploy/x", "build.finished") == "event.source_forbidden"
    assert await code("3", "/build/x", "check.begun") == "event.type_forbidden"
    real = await publishes(deploy, "deploy", "w", "next", source="/deploy/x", type="deploy.done")
    assert real["refused"] == 0 and "duplicate" not in real["results"][0]
    # Said again it is the same publisher; with other limits it has to be removed first.
    await add_publisher(api.nats.home, "limited", "w", *limits)
    with pytest.raises(Refused, match=r"publisher\.exists"):
        await add_publisher(api.nats.home, "limited", "w")


def test_a_subscriber_is_of_one_workspace_and_its_name_is_no_path(tmp_path: Any) -> None:
    subscribers = Subscribers(tmp_path)
    assert subscribers.add("a", "w") == subscribers.add("a", "w") and len(subscribers.all()) == 1
    assert "trs" not in repr(subscribers.add("a", "w"))
    for name in ("../a", "", "a b", "a.b", "x" * 64):
        with pytest.raises(Refused, match=r"subscriber\.name_invalid"):
            subscribers.add(name, "w")
    with pytest.raises(Refused, match=r"subscriber\.exists"):
        subscribers.add("a", "v")
    with pytest.raises(Refused, match=r"subscriber\.absent"):
        subscribers.remove("b")
