"""Requests over NATS: commands to the service that owns a kind, questions to the one that owns a view."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import MaxPayloadError, NoRespondersError

from treering.adapters.appender import REQUEST_FAILED, larger_than_the_bus
from treering.adapters.askers import Askers, named, tell_gone
from treering.adapters.nats_connect import answer, reached
from treering.kernel.aggregate import Command
from treering.kernel.asking import AskerGone, asking
from treering.kernel.command import Answer, CommandMessage, Context, Written
from treering.kernel.decoding import decode
from treering.kernel.disk import refusal_of
from treering.kernel.log import Conflict, LogFull, LogUnavailable, encoder
from treering.kernel.refusal import Refused
from treering.kernel.seldom import Seldom
from treering.kernel.subjects import Address
from treering.tracing import exporting, span, trace_headers

T = TypeVar("T")
COMMAND_TIMEOUT_SECONDS = 10.0
CONCURRENT_MAX = 1000
PING = "ping"  # in the place of a kind: no command, only whether the registry answers
Handler = Callable[[str, bytes], Awaitable[bytes]]
log = structlog.get_logger()
lost = Seldom()


class Commands:
    """Sends commands as one service; each is answered, refused, or LogUnavailable (say it again then).

    A registry of the same process (``here``) is called, with the same subject and bytes; any other is asked over NATS.
    """

    def __init__(self, client: Client, service: str, here: Here | None = None) -> None:
        self.client = client
        self.service = service
        self.here = here or Here()

    async def send(self, address: Address, command: Command | msgspec.Raw, context: Context) -> Written:
        """Carry ``command`` to the registry; raises Refused or LogUnavailable."""
        raw = command if isinstance(command, msgspec.Raw) else msgspec.Raw(encoder.encode(command))
        message = CommandMessage(address.workspace, address.key, context, raw)
        subject = f"cmd.{self.service}.{address.kind}"
        if self.here.registry is not None:
            body = await self.here.registry.called(subject, encoder.encode(message), context.trace)
        else:
            body = await ask(self.client, subject, encoder.encode(message), trace=context.trace)
        return written(decode(body, Answer))

    async def ping(self, *, timeout_seconds: float = COMMAND_TIMEOUT_SECONDS) -> Written:
        """Ask the registry whether it is there and reaches the log; its answer names where the log ends."""
        body = await ask(self.client, f"cmd.{self.service}.{PING}", b"{}", timeout_seconds=timeout_seconds)
        return written(decode(body, Answer))


def written(reply: Answer) -> Written:
    """What an answer says was written; raises Refused, or LogUnavailable (LogFull) when it may be said again."""
    match reply.code:
        case "log.unavailable":
            raise LogUnavailable(reply.detail)
        case "log.full":
            raise LogFull(reply.detail)
        case _:
            return reply.unwrap()


async def ask(
    client: Client,
    subject: str,
    body: bytes,
    *,
    timeout_seconds: float = COMMAND_TIMEOUT_SECONDS,
    trace: str = "",
    headers: dict[str, str] | None = None,
) -> bytes:
    """One request, one answer; LogUnavailable when none comes in time (the outcome is then unknown)."""
    headers = headers or trace_headers(trace)
    try:
        return (await client.request(subject, body, timeout=timeout_seconds, headers=headers)).data
    except MaxPayloadError:
        raise larger_than_the_bus(len(body), client) from None
    except NoRespondersError:
        raise LogUnavailable(f"no service answers on {subject}; it may be starting") from None
    except REQUEST_FAILED as error:
        raise LogUnavailable(f"no answer on {subject}: {error or type(error).__name__}") from None


async def question(
    client: Client, name: str, query: msgspec.Struct, type: type[T], *, timeout_seconds: float = 30.0, to: str = "qry"
) -> T:
    """Ask the monitor ``qry.<name>`` (or another, ``to``); raises Refused with its own words. It hears whose question
    it is, and when nobody waits for the answer any more; raises AskerGone then."""
    asker = asking.get()
    headers = named(asker, to)
    asked = ask(client, f"{to}.{name}", encoder.encode(query), timeout_seconds=timeout_seconds, headers=headers)
    try:
        body = await asker.wait(asyncio.ensure_future(asked))
    except BaseException:
        await tell_gone(client, to, headers)
        raise
    if body.startswith(b'{"refused":'):
        refused = decode(body, RefusedAnswer).refused
        raise Refused(refused.code, refused.detail)
    return decode(body, type)


async def start_all(client: Client, responders: Sequence[Responder]) -> None:
    """The server knows of all of one client then, if it is there: whoever is told that the service is ready may ask."""
    for one in responders:
        await client.subscribe(one.subject, queue=one.queue, cb=one.receive)
    with suppress(*REQUEST_FAILED):  # it hears of them when it is back
        await reached(client)


class RefusedAnswer(msgspec.Struct, frozen=True):
    refused: Answer


class Responder:
    """Answers every request on a subject, in a queue group, several at once. With ``askers`` the requests come from a
    service that says on whose behalf it asks."""

    def __init__(
        self, client: Client, subject: str, handler: Handler, *, queue: str = "q", askers: Askers | None = None
    ) -> None:
        self.client = client
        self.askers = askers
        self.subject = subject
        self.handler = handler
        self.queue = queue
        self.tasks: set[asyncio.Task[None]] = set()
        self.calls = 0  # under way

    async def start(self) -> None:
        await start_all(self.client, [self])

    async def receive(self, message: Msg) -> None:
        if self.askers is not None and self.askers.told(message):
            return
        if len(self.tasks) >= CONCURRENT_MAX:
            await answer(message, BUSY)
            return
        self.begin(message)

    def begin(self, message: Msg) -> None:
        task = asyncio.create_task(self.respond(message))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        if self.askers is not None:
            self.askers.add(message, task)

    async def respond(self, message: Msg) -> None:
        await self.reply(message)

    async def reply(self, message: Msg) -> bytes:
        """Answer, and say what; as a span of the asker's trace, when the request carries one."""
        if self.askers is not None:
            asking.set(self.askers.of(message))
        trace = (message.headers or {}).get("traceparent", "")
        body = await self.traced(message.subject, message.data, trace)
        try:
            await answer(message, body)
        except REQUEST_FAILED as error:
            if times := lost.times(message.subject):
                log.warning("answer.lost", subject=message.subject, why=str(error), times=times)
        return body

    async def called(self, subject: str, body: bytes, trace: str) -> bytes:
        """The answer for somebody in this process, under the same bounds; LogUnavailable when none comes in time."""
        if self.calls >= CONCURRENT_MAX:
            return BUSY
        self.calls += 1
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT_SECONDS):
                return await self.traced(subject, body, trace if exporting() else "")
        except TimeoutError:
            raise LogUnavailable(f"no answer on {subject} in {COMMAND_TIMEOUT_SECONDS:g} s") from None
        finally:
            self.calls -= 1

    async def traced(self, subject: str, body: bytes, trace: str) -> bytes:
        if not trace:
            return await self.handle(subject, body)
        about = {"messaging.system": "nats", "messaging.destination.name": subject}
        with span(subject, trace, "server", about):
            return await self.handle(subject, body)

    async def handle(self, subject: str, body: bytes) -> bytes:
        """Run the handler; whatever it raises, the asker gets an answer, and nothing of our insides."""
        try:
            return await self.handler(subject, body)
        except Refused as refused:
            return refusal_body(refused.code, refused.detail, refused.more)
        except LogFull as error:
            return refusal_body("log.full", str(error))
        except (LogUnavailable, Conflict) as error:
            return refusal_body("log.unavailable", str(error))
        except AskerGone:
            return BUSY  # nobody reads it
        except Exception as error:
            if (known := refusal_of(error)) is not None:
                return refusal_body(known.code, known.detail)
            log.exception("request.failed", subject=subject)
            return refusal_body("service.failed", "the service failed on this request; its log says why")


@dataclass
class Here:
    """What this process hosts: its registry, while it runs."""

    registry: Responder | None = None


def refusal_body(code: str, detail: str, more: Mapping[str, str | int] = {}) -> bytes:
    """Both shapes of a refusal: a command's Answer, and the wrapped one of a question."""
    return encoder.encode({"refused": {"code": code, "detail": detail}, "code": code, "detail": detail, **more})


BUSY = refusal_body("service.busy", f"{CONCURRENT_MAX} requests are under way; try again")


def answered(value: Any) -> bytes:
    return encoder.encode(value)
