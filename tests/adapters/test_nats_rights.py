"""Each NATS user can do its work and nothing else, on a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from functools import partial

import msgspec
import nats.errors
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from treering.adapters.jetstream_log import JetStreamLog
from treering.adapters.nats_accounts import add_publisher, add_subscriber
from treering.adapters.nats_connect import answer, reached
from treering.adapters.nats_users import DOCTOR, SERVICES, WATCHDOG
from treering.testing.nats import RunningNats

pytestmark = pytest.mark.anyio

ANSWER_SECONDS = 5.0
CLIENTS = (*SERVICES, "publisher-ci", "subscriber-ci", DOCTOR)
ADMINISTRATION = (
    "$JS.API.STREAM.PURGE.EVT",
    "$JS.API.STREAM.MSG.DELETE.EVT",
    "$JS.API.STREAM.DELETE.EVT",
    "$JS.API.STREAM.UPDATE.EVT",
    "$JS.API.STREAM.RESTORE.EVT",
    "$JS.API.STREAM.SNAPSHOT.EVT",
    "$JS.API.STREAM.CREATE.OTHER",
    "$JS.API.STREAM.LEADER.STEPDOWN.EVT",
    "$JS.API.STREAM.PEER.REMOVE.EVT",
    "$JS.API.META.LEADER.STEPDOWN",
    "$JS.API.ACCOUNT.PURGE.TREERING",
    "$JS.API.CONSUMER.LIST.EVT",
    "$JS.API.CONSUMER.NAMES.EVT",
    "$JS.API.CONSUMER.CREATE.EVT",
    "$JS.API.CONSUMER.DURABLE.CREATE.EVT.x",
    "$JS.ACK.EVT.x.1.1.1.1.0",
    "$SYS.REQ.SERVER.PING.CONNZ",
    "$SYS.REQ.USER.INFO",
)
READERS = set(SERVICES) - {WATCHDOG}
# Who may publish where; every user not named is refused.
MAY_PUBLISH: dict[str, set[str]] = {
    "evt.w.job.j": {"bootstrap", "registry"},
    "met.w.r": {"bootstrap", "gateway"},
    "log.w.j.1": {"executor"},
    "cmd.gateway.job": {"gateway"},
    "cmd.scheduler.job": {"scheduler"},
    "cmd.executor.job": {"executor"},
    "cmd.monitor.job": set(),
    "cmd.monitor.metric_stream": {"monitor"},
    "cmd.monitor.installation": {"monitor"},
    "cmd.notifier.installation": {"notifier"},
    "cmd.notifier.job": set(),
    "qry.audit": {"gateway"},
    "lease.renew": {"executor"},
    "lease.progress": {"gateway"},
    "pub.ci": {"publisher-ci"},
    "pub.other": set(),
    "sub.ci": {"subscriber-ci"},
    "sub.other": set(),
    "$JS.API.STREAM.CREATE.EVT": {"bootstrap"},
    "stuck.evt": {"registry", "bootstrap"},
    "stuck.met": {"gateway", "bootstrap"},
    "stuck.log": {"executor"},
    "$JS.API.STREAM.INFO.EVT": READERS,
    "$JS.API.DIRECT.GET.EVT": READERS,
    "$JS.API.DIRECT.GET.EVT.evt.w.job.j": READERS,
    "$JS.API.DIRECT.GET.LOG": {"gateway"},
    "$JS.API.CONSUMER.CREATE.EVT.name.evt.>": READERS,
    "$JS.API.CONSUMER.CREATE.LOG.name.log.>": {"gateway"},
    "$JS.API.CONSUMER.CREATE.MET.name.met.>": {"bootstrap", "gateway", "monitor"},
    "_INBOX_monitor.x": {"registry"},
    "_INBOX_notifier.x": {"registry"},
    "_INBOX_registry.x": set(),
    "_INBOX_gateway.x": {"registry", "monitor", "notifier", "scheduler"},
    "_INBOX_publisher.ci.x": set(),
    "_INBOX_subscriber.ci.x": set(),
    "_R_.x": {"gateway"},
    "_INBOX.x": set(),
    "$SYS.REQ.SERVER.PING.JSZ": {DOCTOR},
    **{subject: set() for subject in ADMINISTRATION},
}
MAY_SUBSCRIBE: dict[str, set[str]] = {
    "evt.>": set(),
    "log.>": set(),
    ">": set(),
    "_INBOX.>": set(),
    "_INBOX_gateway.>": {"gateway"},
    "_INBOX_publisher.>": set(),
    "_INBOX_publisher.ci.>": {"publisher-ci"},
    "cmd.*.*": {"registry"},
    "_INBOX_subscriber.>": set(),
    "_INBOX_subscriber.ci.>": {"subscriber-ci"},
    "_INBOX_subscriber.other.>": set(),
    "pub.*.*": {"gateway"},
    "sub.*.*": {"gateway"},
    "sub.1.ci": {"gateway"},
    "lease.renew": {"scheduler"},
    "lease.progress": {"scheduler"},
    "qry.*": {"monitor"},
    "hook.*": {"notifier"},
    "stuck.*": {WATCHDOG},
    "$SYS.>": set(),
    "$JS.>": set(),
}


class Refusals:
    """One user's connection, and what the server refused it."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.client = Client()

    async def after(self) -> list[str]:
        """What was refused up to here: the server answers in order."""
        await reached(self.client)
        seen, self.seen[:] = list(self.seen), []
        return seen


@pytest.fixture(params=CLIENTS)
async def user(request: pytest.FixtureRequest, nats_server: RunningNats) -> AsyncIterator[tuple[str, Refusals]]:
    await add_publisher(nats_server.home, "ci")
    await add_subscriber(nats_server.home, "ci")
    refusals = Refusals()
    refusals.client = await nats_server.connect(request.param, on_violation=refusals.seen.append)
    yield request.param, refusals


async def test_a_user_publishes_where_it_must_and_nowhere_else(user: tuple[str, Refusals]) -> None:
    name, refusals = user
    for subject, allowed in MAY_PUBLISH.items():
        await refusals.client.publish(subject, b"{}")
        refused = await refusals.after()
        assert bool(refused) == (name not in allowed), f"{name} on {subject}: {refused or 'accepted'}"


async def test_a_user_subscribes_where_it_must_and_nowhere_else(user: tuple[str, Refusals]) -> None:
    name, refusals = user
    for subject, allowed in MAY_SUBSCRIBE.items():
        await refusals.client.subscribe(subject)
        refused = await refusals.after()
        assert bool(refused) == (name not in allowed), f"{name} on {subject}: {refused or 'accepted'}"


@pytest.mark.parametrize(
    ("asker", "subject", "answerer", "pattern"),
    [
        ("gateway", "cmd.gateway.job", "registry", "cmd.*.*"),
        ("scheduler", "cmd.scheduler.job", "registry", "cmd.*.*"),
        ("executor", "cmd.executor.job", "registry", "cmd.*.*"),
        ("executor", "lease.renew", "scheduler", "lease.renew"),
        ("gateway", "lease.progress", "scheduler", "lease.progress"),
        ("gateway", "qry.audit", "monitor", "qry.*"),
        ("publisher-ci", "pub.ci", "gateway", "pub.*.*"),
        ("subscriber-ci", "sub.ci", "gateway", "sub.*.*"),
    ],
)
async def test_each_request_finds_its_answer(
    nats_server: RunningNats, asker: str, subject: str, answerer: str, pattern: str
) -> None:
    await add_publisher(nats_server.home, "ci")
    await add_subscriber(nats_server.home, "ci")
    client = await nats_server.connect(answerer)
    await client.subscribe(pattern, queue="q", cb=partial(answer, body=b"yes"))
    await reached(client)
    reply = await (await nats_server.connect(asker)).request(subject, b"?", timeout=ANSWER_SECONDS)
    assert reply.data == b"yes"


async def test_the_registry_appends_and_hears_of_a_stale_expectation(nats_server: RunningNats) -> None:
    client = await nats_server.connect("registry")
    headers = {"Nats-Expected-Last-Subject-Sequence": "0"}
    first = await client.request("evt.w.job.j", b"1", headers=headers, timeout=ANSWER_SECONDS)
    second = await client.request("evt.w.job.j", b"2", headers=headers, timeout=ANSWER_SECONDS)
    assert msgspec.json.decode(first.data)["seq"] == 1
    assert msgspec.json.decode(second.data)["error"]["err_code"] == 10071


@pytest.mark.parametrize("service", sorted(READERS))
async def test_each_service_reads_and_follows_the_log(nats_server: RunningNats, service: str) -> None:
    registry = await nats_server.connect("registry")
    await registry.request("evt.w.job.j", b"{}", timeout=ANSWER_SECONDS)
    refused: list[str] = []
    client = await nats_server.connect(service, on_violation=refused.append)
    log = JetStreamLog(client)
    follower = log.follow()
    assert isinstance(follower, AsyncGenerator)
    async with asyncio.timeout(ANSWER_SECONDS):
        followed = await anext(follower)
        read = await log.read("evt.w.job.j")
        head = await log.head()
    await follower.aclose()
    await reached(client)
    assert (followed, head, refused) == (read, 1, [])


async def test_the_registry_appends_an_atomic_batch(nats_server: RunningNats) -> None:
    client = await nats_server.connect("registry")
    batch = {"Nats-Batch-Id": "b1"}
    await client.publish("evt.w.job.a", b"1", headers={**batch, "Nats-Batch-Sequence": "1"})
    last = {**batch, "Nats-Batch-Sequence": "2", "Nats-Batch-Commit": "1"}
    ack = await client.request("evt.w.job.b", b"2", headers=last, timeout=ANSWER_SECONDS)
    assert msgspec.json.decode(ack.data)["count"] == 2


@pytest.mark.parametrize(("service", "subject"), [("gateway", "met.w.r"), ("executor", "log.w.j.1")])
async def test_points_and_console_lines_are_acknowledged(nats_server: RunningNats, service: str, subject: str) -> None:
    client = await nats_server.connect(service)
    ack = await client.request(subject, b"x", timeout=ANSWER_SECONDS)
    assert msgspec.json.decode(ack.data)["seq"] == 1


async def test_a_publisher_cannot_speak_for_another(nats_server: RunningNats) -> None:
    await add_publisher(nats_server.home, "one")
    await add_publisher(nats_server.home, "two")
    refusals = Refusals()
    refusals.client = await nats_server.connect("publisher-one", on_violation=refusals.seen.append)
    await refusals.client.publish("pub.two", b"{}")
    assert 'publish to "pub.two"' in (await refusals.after())[0].lower()
    await refusals.client.subscribe("_INBOX_publisher.two.>")
    assert len(await refusals.after()) == 1


async def test_a_publisher_cannot_choose_where_the_gateway_answers(nats_server: RunningNats) -> None:
    # Given a gateway that answers whatever it is asked, without looking at the reply subject,
    await add_publisher(nats_server.home, "ci")
    refusals = Refusals()
    refusals.client = gateway = await nats_server.connect("gateway", on_violation=refusals.seen.append)
    answered = asyncio.Event()
    replies: list[str] = []

    async def carelessly(message: Msg) -> None:
        await message.respond(b"{}")
        replies.append(message.reply)
        answered.set()

    await gateway.subscribe("pub.*.*", cb=carelessly)
    await reached(gateway)
    publisher = await nats_server.connect("publisher-ci")
    for target in ("evt.w.job.forged", "$JS.API.STREAM.DELETE.EVT", "_INBOX_registry.x"):
        # when a publisher asks for the answer somewhere else,
        answered.clear()
        await publisher.publish("pub.ci", b"?", reply=target)
        async with asyncio.timeout(ANSWER_SECONDS):
            await answered.wait()
        # then the gateway never sees that subject: the answer goes to the publisher's own account.
        assert replies.pop().startswith("_R_.") and await refusals.after() == []
    assert await JetStreamLog(gateway).head() == 0


async def test_an_answer_goes_only_to_the_inbox_of_whoever_may_ask(nats_server: RunningNats) -> None:
    await add_publisher(nats_server.home, "ci")
    gateway, registry = await nats_server.connect("gateway"), await nats_server.connect("registry")
    commands: asyncio.Queue[bytes] = asyncio.Queue()

    async def note(message: Msg) -> None:
        await commands.put(message.data)

    await registry.subscribe("cmd.*.*", cb=note)
    await reached(registry)
    await gateway.subscribe("pub.*.*", cb=partial(answer, body=b"an answer"))
    await reached(gateway)
    publisher = await nats_server.connect("publisher-ci")
    await publisher.publish("pub.ci", b"?", reply="cmd.gateway.job")
    assert (await publisher.request("pub.ci", b"?", timeout=ANSWER_SECONDS)).data
    await gateway.publish("cmd.gateway.job", b"a command")
    assert await commands.get() == b"a command"


async def test_nobody_gets_in_without_a_credential(nats_server: RunningNats) -> None:
    client = Client()
    with pytest.raises((nats.errors.Error, ConnectionError)):
        await client.connect(nats_server.url, allow_reconnect=False)
    await client.close()
