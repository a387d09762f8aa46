"""What programs from outside ask over NATS: heard on connections of their own, a lane each, so that a flood of one
program neither cuts off the others nor takes the time of the event loop.

    flood --> nats-server --(lane 3)--> 8 under way, then no more is read --> the server cuts off lane 3, and only it

A lane that does not get to the server's PONG within some seconds gives up what has come: nobody waits for it any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar

from nats.aio.msg import Msg

from treering.adapters.bus import Handler, Responder, start_all
from treering.adapters.nats_connect import Connection, close, connect
from treering.adapters.nats_credentials import Credential
from treering.adapters.nats_users import LANES, OUTSIDE
from treering.kernel.ending import run_each, run_together

UNDER_WAY_EACH_MAX = 8  # of one program; more than a subscriber may have waiting
# A refused request holds its place so long: nonsense costs whoever sends it, not us.
REFUSED_SECONDS = 0.2
PING_SECONDS = 2  # three without an answer are too many
ANSWER_SECONDS_MAX = 0.5  # at a stop, for those whose requests are under way
CLOSE_SECONDS = 0.3  # there is little to say, and the time of a stop is for others
REQUESTS = tuple(f"{sort}.".encode() for sort in OUTSIDE.values())
# The header of the request that is being answered: CloudEvents in binary mode have their attributes there.
request_headers: ContextVar[Mapping[str, str] | None] = ContextVar("request_headers", default=None)
NOTHING_REFUSED = b'"refused":0}'


class LaneConnection(Connection):
    """Reads no further while a program has too many requests under way."""

    cut_by_others = True

    def __init__(self) -> None:
        super().__init__()
        self.places: dict[str, asyncio.Semaphore] = {}

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        if subject.startswith(REQUESTS):
            await self.place(subject.decode()).acquire()
        await super()._process_msg(sid, subject, reply, data, headers)

    def place(self, subject: str) -> asyncio.Semaphore:
        return self.places.setdefault(subject, asyncio.Semaphore(UNDER_WAY_EACH_MAX))


class LaneResponder(Responder):
    """Answers what comes in one lane; the connection bounds how much that is."""

    def __init__(self, client: LaneConnection, subject: str, handler: Handler) -> None:
        super().__init__(client, subject, handler)
        self.lane = client

    async def receive(self, message: Msg) -> None:
        self.begin(message)

    async def respond(self, message: Msg) -> None:
        request_headers.set(message.headers)
        try:
            if was_refused(await self.reply(message)):
                await asyncio.sleep(REFUSED_SECONDS)
        finally:
            self.lane.place(message.subject).release()


def was_refused(body: bytes) -> bool:
    """A request, or an event of it."""
    return body.startswith(b'{"refused":') or (b'"refused":' in body[-24:] and not body.endswith(NOTHING_REFUSED))


@asynccontextmanager
async def lanes(
    urls: Sequence[str],
    credential: Credential,
    handlers: dict[str, Handler],
    on_violation: Callable[[str], None] | None = None,
) -> AsyncIterator[list[LaneConnection]]:
    """All lanes, open inside the block. ``handlers`` are by the first token of the subject."""
    opened = list[LaneConnection]()
    responders = list[LaneResponder]()
    try:
        for some in await run_together(
            *(opened_lane(number, opened, urls, credential, handlers, on_violation) for number in range(LANES))
        ):
            responders += some
        yield opened
    finally:
        if tasks := [task for responder in responders for task in responder.tasks]:
            await asyncio.wait(tasks, timeout=ANSWER_SECONDS_MAX)
        await run_each(*(close(lane, timeout_seconds=CLOSE_SECONDS) for lane in opened))


async def opened_lane(
    number: int,
    opened: list[LaneConnection],
    urls: Sequence[str],
    credential: Credential,
    handlers: dict[str, Handler],
    on_violation: Callable[[str], None] | None,
) -> list[LaneResponder]:
    client = LaneConnection()
    about = f"treering-{credential.user}-{number}"
    opened.append(client)  # before it is open: who is interrupted here leaves none behind
    await connect(urls, credential, about, on_violation=on_violation, client=client, ping_seconds=PING_SECONDS)
    responders = [LaneResponder(client, f"{sort}.{number}.*", handler) for sort, handler in handlers.items()]
    await start_all(client, responders)
    return responders
