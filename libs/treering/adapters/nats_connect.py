"""Connections to NATS, set up so that no failure is silent.

``pending_size=0``: with the default a publish that "failed" while disconnected was stored later. Requests under way end
when the connection does, not at their time-out. A refused permission reaches a client only through its error callback
(the caller sees a timeout): it is logged and handed to ``on_violation``, so that a service can stop at once; so is a
connection that the client gave up.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

from treering.adapters import nats_cancel
from treering.adapters.nats_credentials import Credential
from treering.adapters.nats_users import asker_inbox
from treering.adapters.stream_parser import DELIVERED, StreamParser, StreamSink
from treering.kernel.ending import end, keep_cancellation
from treering.kernel.seldom import Seldom

CONNECT_TIMEOUT_SECONDS = 30.0
# For one try at one server. Where strangers fill the queue in front of it, whoever gives up goes to its end.
TRY_SECONDS, TRY_SECONDS_OF_SEVERAL = 10, 2
RECONNECT_SECONDS = (0.1, 0.4)
PING_SECONDS = 10
CLOSE_TIMEOUT_SECONDS = 1.0
ABANDON_SECONDS = 0.5
PERMISSIONS_VIOLATION = "permissions violation"
CREDENTIAL_REFUSED = "authorization violation"
SUBJECT_HEADER = "Nats-Subject"  # of a message that was read directly
log = structlog.get_logger()
refused_replies, cuts = Seldom(), Seldom()
nats_cancel.mend()


class NatsUnavailable(Exception):
    """No server at the address, or it refuses the credential; the message says which."""


class AnswerLost(nats.errors.Error):
    """The connection was lost while an answer was due: it will not come, and what was asked may have been done."""

    def __str__(self) -> str:
        return "the connection was lost before the answer"


class Sink(StreamSink, Protocol):
    """Takes what comes on one subscription where it is read from the socket, in order."""

    def deliver(self, subject: bytes, reply: bytes, data: bytes) -> None:
        """A message of a stream; ``reply`` says where it stands there."""

    async def control(self, reply: str, headers: Mapping[str, str]) -> None:
        """Anything else: a heartbeat, or the server's flow control."""


class Connection(Client):
    """A client that knows whether it was closed by us, and does not read what nobody asks for.

    A message delivered from a stream carries the headers of its append. Reading them took half of the time
    that following a log takes; what readers need is in the body and the reply subject. A subscription with a
    ``Sink`` also goes without the client's message, its queue and its task: half of what was left; and, as far as
    it can, without the client's parser.
    """

    given_up = True
    cut_by_others = False  # whether somebody from outside can have it cut off at will

    def __init__(self) -> None:
        super().__init__()
        self.sinks: dict[int, Sink] = {}
        self.parser = StreamParser(self)
        self._ps = self.parser

    def listen(self, sid: int, sink: Sink) -> None:
        """Give ``sink`` all that comes on the subscription ``sid``."""
        self.sinks[sid] = self.parser.sinks[b"%d" % sid] = sink

    def unlisten(self, sid: int) -> None:
        self.sinks.pop(sid, None)
        self.parser.sinks.pop(b"%d" % sid, None)

    def give_up_what_is_under_way(self) -> None:
        """End every request: nobody keeps its answer for the next connection, so its time-out would only be waited
        for. What the socket has not taken yet is not sent later either: whoever sent it is told that it failed.
        """
        self._pending.clear()
        self._pending_data_size = 0
        for answer in list(self._resp_map.values()):
            if not answer.done():
                answer.set_exception(AnswerLost())
                answer.exception()  # Seen: of a request that could not be sent nobody waits for the answer.

    async def _connect_to_server(self, server: Any) -> None:
        """As the library does, which would leave a socket open whose greeting failed, and connect another."""
        self.hang_up()
        await super()._connect_to_server(server)

    def hang_up(self) -> None:
        """Close the socket now, with what it has not sent. The library does so at the end of what may be cut short."""
        writer: asyncio.StreamWriter | None = getattr(self._transport, "_io_writer", None)
        if writer is not None:
            writer.transport.abort()

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        delivered = reply.startswith(DELIVERED)
        sink = self.sinks.get(sid)
        if sink is None:
            await super()._process_msg(sid, subject, reply, data, b"" if delivered else headers)
        elif delivered:
            self.stats["in_msgs"] += 1
            self.stats["in_bytes"] += len(data)
            sink.deliver(subject, reply, data)
        else:
            await sink.control(reply.decode(), await self._process_headers(headers) or {})

    async def _process_headers(self, headers: bytes) -> dict[str, str] | None:
        """As the library reads them; a subject that is no UTF-8 keeps its bytes, since they are hashed."""
        found: dict[str, str] | None = await super()._process_headers(headers)
        if found and SUBJECT_HEADER in found and not headers.isascii():
            line = headers.partition(f"{SUBJECT_HEADER}:".encode())[2].partition(b"\r\n")[0]
            found[SUBJECT_HEADER] = line.strip().decode(errors="surrogateescape")
        return found


class Events:
    """What happens to one connection after it is made."""

    def __init__(self, client: Connection, name: str, on_violation: Callable[[str], None] | None) -> None:
        self.client = client
        self.name = name
        self.on_violation = on_violation
        self.connected = False
        self.cut_told = 0  # how many times the line about the last cut stands for; 0: it was left out
        self.ending: asyncio.Task[None] | None = None
        self.refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.last_error = ""

    async def error(self, error: Exception) -> None:
        self.last_error = str(error) or type(error).__name__
        if PERMISSIONS_VIOLATION in self.last_error.lower():
            log.error("nats.permission_refused", connection=self.name, why=self.last_error)
            if self.on_violation is not None:
                self.on_violation(self.last_error)
        elif CREDENTIAL_REFUSED in self.last_error.lower():
            log.error("nats.credential_refused", connection=self.name, why=self.last_error)
            if not self.refused.done():
                self.refused.set_result(None)
            if self.connected and self.ending is None:
                # The client would try for ever, with a socket lost at each try. In a task of its own: closing
                # cancels the task this is called from.
                self.ending = asyncio.create_task(self.client.close())
        else:
            log.debug("nats.error", connection=self.name, why=self.last_error)

    async def disconnected(self) -> None:
        self.client.give_up_what_is_under_way()
        if not self.client.is_closed:
            self.cut_told = cuts.times(self.name) if self.client.cut_by_others else 1
            if self.cut_told:
                log.warning("nats.disconnected", connection=self.name, times=self.cut_told)

    async def closed(self) -> None:
        """Called when the connection ends for ever: by us, or because the server refuses its credential."""
        if self.client.given_up:
            why = f"the connection is closed for good: {self.last_error or self.client.last_error}"
            log.error("nats.closed", connection=self.name, why=why)
            if self.on_violation is not None:
                self.on_violation(why)

    async def reconnected(self) -> None:
        if self.cut_told:
            log.info("nats.reconnected", connection=self.name)


async def connect(
    urls: str | Sequence[str],
    credential: Credential,
    name: str,
    *,
    on_violation: Callable[[str], None] | None = None,
    timeout_seconds: float = CONNECT_TIMEOUT_SECONDS,
    client: Connection | None = None,
    ping_seconds: int = PING_SECONDS,
) -> Client:
    """A connection (``client``) as ``credential.user``, shown to operators as ``name``; it reconnects for ever.

    A server that is not there yet is waited for, up to ``timeout_seconds``. Raises NatsUnavailable; a refused
    credential at once.
    """
    client = client or Connection()
    events = Events(client, name, on_violation)
    servers = [urls] if isinstance(urls, str) else list(urls)
    first = asyncio.ensure_future(open_connection(client, servers, credential, name, events, ping_seconds))
    try:
        await asyncio.wait({first, events.refused}, timeout=timeout_seconds, return_when=asyncio.FIRST_COMPLETED)
        if first.done():
            first.result()
            events.connected = True
            return client
        why = events.last_error or f"no answer in {timeout_seconds:g} s"
        if events.refused.done():
            why = "the server refuses the credential"
        raise NatsUnavailable(f"no connection to NATS at {', '.join(servers)} as {credential.user!r}: {why}")
    except BaseException:  # a cancellation, too, that comes in the turn of the loop in which it is open
        await abandon(client, first)
        raise


async def open_connection(
    client: Client, servers: list[str], credential: Credential, name: str, events: Events, ping_seconds: int
) -> None:
    await client.connect(
        servers=servers,
        name=name,
        user=credential.user,
        password=credential.password,
        inbox_prefix=credential.inbox,
        pending_size=0,
        connect_timeout=TRY_SECONDS if len(servers) == 1 else TRY_SECONDS_OF_SEVERAL,
        max_reconnect_attempts=-1,
        # One value a connection, different in each: after a restart they do not all come at the same moment.
        reconnect_time_wait=random.uniform(*RECONNECT_SECONDS),  # type: ignore[arg-type]
        ping_interval=ping_seconds,
        error_cb=events.error,
        disconnected_cb=events.disconnected,
        closed_cb=events.closed,
        reconnected_cb=events.reconnected,
    )


async def abandon(client: Client, first: asyncio.Future[None]) -> None:
    try:
        await end(first, grace_seconds=ABANDON_SECONDS)
    finally:  # who is cancelled once more here leaves no socket open either
        await close(client)


async def reached(client: Client) -> None:
    """Return when the server has all that was published and subscribed so far.

    One flush is not enough: nats-py writes its PING before what still waits in its own buffer.
    """
    await client.flush()
    await client.flush()


async def close(client: Client, *, timeout_seconds: float = CLOSE_TIMEOUT_SECONDS) -> None:
    """Close without handling what still waits, in at most ``timeout_seconds``; safe to say twice."""
    if isinstance(client, Connection) and not client.is_closed:
        client.given_up = False
    try:
        with suppress(nats.errors.Error, TimeoutError, OSError):
            async with asyncio.timeout(timeout_seconds):
                await keep_cancellation(client.close())
    finally:
        if isinstance(client, Connection):
            client.hang_up()


async def drain(client: Client, *, timeout_seconds: float = CLOSE_TIMEOUT_SECONDS) -> None:
    """Take nothing new, handle what has arrived, then close; cut off after ``timeout_seconds``."""
    if isinstance(client, Connection):
        client.given_up = False
    if client.is_connected:
        with suppress(nats.errors.Error, TimeoutError, OSError):
            async with asyncio.timeout(timeout_seconds):
                await keep_cancellation(client.drain())
    await close(client)


async def answer(message: Msg, body: bytes) -> None:
    """Answer a request, if it asks for the answer in the inbox of whoever may ask on this subject.

    The asker chooses the reply subject. Without this check it could make a service publish its answer as a
    command, or to another's inbox, with the rights of the service.
    """
    inbox = asker_inbox(message.subject)
    if not inbox or not message.reply.startswith(f"{inbox}."):
        if times := refused_replies.times(message.subject):
            log.error("nats.reply_refused", subject=message.subject, reply=message.reply, times=times)
        return
    await message.respond(body)
