"""Publish events: CloudEvents over HTTP or NATS, stored once however often they are said."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct
from starlette.responses import Response

from treering.adapters.lanes import request_headers
from treering.adapters.nats_credentials import Credential, CredentialMissing, read_credential
from treering.adapters.nats_users import publisher_user
from treering.domain import KINDS
from treering.domain.event import EVENT, PublishEvent, content_digest, event_key
from treering.domain.publisher_limits import require_allowed
from treering.kernel.asking import Asker
from treering.kernel.bounds import fault_in_identifier
from treering.kernel.clock import new_traceparent, now
from treering.kernel.command import Context
from treering.kernel.ending import run_each
from treering.kernel.log import LogUnavailable, encoder
from treering.kernel.refusal import Refused
from treering.kernel.shared_limits import EVENTS_MAX
from treering.kernel.subjects import Address
from treering.views.states import show
from treering_services.gateway.access_files import publisher_address
from treering_services.gateway.call import BODY_BYTES_MAX, Call, Caller, reply, too_large, written_headers
from treering_services.gateway.core import Gateway, checked_address
from treering_services.gateway.event_forms import (
    Said,
    check_said,
    command_of,
    judged_data,
    said_in_json,
    too_large_in_json,
)
from treering_services.gateway.event_modes import Events, events_in, events_of
from treering_services.gateway.event_sources import check_source, own_source
from treering_services.gateway.schemas import check_type

FIELD_NAMES_BYTES = 1024
SENDING_MAX = 64
LARGE_BYTES = 4 * 1024  # an event whose values are worth a turn of the loop
UNAVAILABLE = ("log.unavailable", "service.busy")  # saying it again later may help
IDENTIFIERS = {"id": "id", "event_type": "type", "subject": "subject", "cause": "cause"}  # as CloudEvents calls them


class PublishedOne(Struct, frozen=True, omit_defaults=True):
    """One event's fate: its position in the log (``duplicate``: it was there already), or why it was refused."""

    id: str
    position: int = 0
    duplicate: bool = False
    code: str = ""
    detail: str = ""


class PublishAnswer(Struct, frozen=True):
    """``results`` in the order of the events. Those that were not refused are stored."""

    results: list[PublishedOne]
    refused: int = 0


class Publisher:
    """Publishes for one caller into one workspace."""

    def __init__(
        self, gateway: Gateway, caller: Caller, workspace: str, trace: str, credential: Credential | None = None
    ) -> None:
        """``credential``: of a publisher, which limits what it may publish; the others have no limits."""
        self.credential = credential
        self.gateway = gateway
        self.caller = caller
        self.workspace = workspace
        self.trace = trace
        self.permits = asyncio.Semaphore(SENDING_MAX)
        self.reading = asyncio.Lock()

    async def publish(self, events: Events) -> PublishAnswer:
        """Each event on its own: a bad one does not keep the others out. Ordered: one after the other, and none
        behind one that the log did not take."""
        most = EVENTS_MAX
        if not (events.strict or events.all) or len(events.all) > most:
            raise Refused("event.batch", f"the batch has {len(events.all)} events; it must have 1 to {most}")
        await self.gateway.require_workspace(self.workspace)
        if events.ordered:
            results = await self.in_order(events)
        else:
            publishing = (self.publish_one(index, one, events.strict) for index, one in enumerate(events.all))
            results = await run_each(*publishing)
        return PublishAnswer(results, sum(1 for one in results if one.code))

    async def in_order(self, events: Events) -> list[PublishedOne]:
        results = list[PublishedOne]()
        for index, one in enumerate(events.all):
            if results and results[-1].code in UNAVAILABLE:
                detail = f"event {index}: one before it was not stored"
                results.append(PublishedOne("", code=results[-1].code, detail=detail))
            else:
                results.append(await self.publish_one(index, one, events.strict))
        return results

    async def publish_one(self, index: int, given: msgspec.Raw | Said, strict: bool) -> PublishedOne:
        id = ""
        async with self.permits:
            try:
                said = given if isinstance(given, Said) else await self.read(given, strict)
                id = said.event.id  # known before anything else is refused, so that the answer names it
                check_said(said, None if isinstance(given, Said) else given)
                event = command_of(said, own_source(self.caller))
                await self.check(event)
                return await self.send(event, said.event.traceparent or self.trace)
            except Refused as refused:
                return PublishedOne(id, code=refused.code, detail=f"event {index}: {refused.detail}")
            except LogUnavailable as error:
                return PublishedOne(id, code="log.unavailable", detail=f"event {index}: {error}")

    async def read(self, raw: msgspec.Raw, strict: bool) -> Said:
        """Large events of a batch one by one, with a turn of the loop for others before each."""
        if len(raw) <= LARGE_BYTES:
            return said_in_json(raw, strict)
        async with self.reading:
            await asyncio.sleep(0)
            return said_in_json(raw, strict)

    async def check(self, event: PublishEvent) -> None:
        check_source(self.caller, event.source)
        for name, called in IDENTIFIERS.items():
            if fault := fault_in_identifier(getattr(event, name)):
                raise Refused("event.invalid", f"{called} is {getattr(event, name)[:100]!a}: {fault}")
        check_type(event.event_type)
        if fault := fault_in_type(event.event_type):
            raise Refused("event.invalid", f"type is {event.event_type[:100]!a}: {fault}")
        if self.credential is not None:
            require_allowed(self.credential.sources, self.credential.types, event.source, event.event_type)
        own = f"job/{self.caller.name}"
        if self.caller.is_bounded and event.subject != own:
            raise Refused("event.forbidden", f"this token may publish about {own!r} only, as the event's subject")
        if event.subject:
            await self.check_subject(event.subject)
        judged = partial(judged_data, event)
        await self.gateway.schemas.check(self.gateway, self.workspace, event.event_type, judged)

    async def check_subject(self, subject: str) -> None:
        """``Refused("event.subject_absent")`` for a subject that names a resource which is not there. Any other text is
        the publisher's own."""
        kind, slash, key = subject.partition("/")
        if not slash or kind not in KINDS:
            return
        try:
            address = checked_address(self.workspace, kind, key)
        except Refused:
            return  # no resource can have this name
        view = self.gateway.reader.view
        try:
            found = await view.peek(lambda db: show(db, address)) or await self.gateway.find(address)
        except Refused as refused:
            if refused.code != "view.incomplete":
                raise
            return  # It exists, and what is published about it is as true.
        if found is None:
            why = f"there is no {subject!r} in workspace {self.workspace!r}"
            hint = (
                f"a subject that begins with {kind + '/'!r} is one of treering's resources; write another one otherwise"
            )
            raise Refused("event.subject_absent", f"{why}; {hint}")

    async def send(self, event: PublishEvent, trace: str) -> PublishedOne:
        """The key is made of (source, id), the command's id of the content too: saying it again changes nothing."""
        key = event_key(event.source, event.id)
        # Base64 and escapes are longer than the body. So are the names of fields, which nobody should have to count.
        if (size_bytes := len(encoder.encode(event))) > BODY_BYTES_MAX + FIELD_NAMES_BYTES:
            raise Refused("request.too_large", too_large_in_json(size_bytes))
        id = f"publish:{key}:{content_digest(event)}"
        context = Context(id, now(), self.caller.actor, event.cause, trace, self.caller.via)
        written = await self.gateway.commands.send(Address(self.workspace, EVENT.kind, key), event, context)
        return PublishedOne(event.id, written.position, duplicate=not written.changed)


async def publish_events(call: Call) -> Response:
    """CloudEvents in binary or structured mode, or a batch. 200: all are stored. 207: some were refused, see the
    results."""
    events = await events_of(call)
    publisher = Publisher(call.gateway, call.caller, call.workspace, call.trace)
    answer = await publisher.publish(events)
    if events.alone and answer.refused:
        raise alone(answer)
    if not answer.results:
        return reply(answer)
    headers = written_headers(max(one.position for one in answer.results))
    return reply(answer, 207 if answer.refused else 200, headers)


def alone(answer: PublishAnswer) -> Refused:
    """Why the only event of a request is refused."""
    (one,) = answer.results
    return Refused(one.code, one.detail.removeprefix("event 0: "))


def fault_in_type(type: str) -> str:
    """Why nobody could ask for events of ``type``, as the end of a sentence; "" when they can."""
    if type != type.strip():
        return "it begins or ends with a blank"
    found = next((character for character in ",*" if character in type), "")
    means = {
        ",": "stands between types where several are asked for",
        "*": "stands for any end where types are asked for",
    }
    return f"it has the character {found!r}, which {means[found]}" if found else ""


def nats_publisher(gateway: Gateway) -> Any:
    """The handler of ``pub.*.*``: NATS lets each publisher ask under its own name only, and into its own workspace."""

    async def handle(subject: str, body: bytes) -> bytes:
        name = subject.rpartition(".")[2]
        headers = request_headers.get() or {}
        if len(body) + headers_bytes(headers) > BODY_BYTES_MAX:  # as over HTTP: who publishes has one number to know
            raise too_large(BODY_BYTES_MAX)
        await gateway.bodies.turn(Asker(f"publisher:{name}"), len(body))
        events = events_in(headers, body)
        credential = await asyncio.to_thread(credential_of, gateway, name)
        own = credential.bound_to
        if events.workspace not in ("", own):
            raise Refused("event.forbidden", f"publisher {name!r} may publish into workspace {own!r} only")
        await gateway.access.require(publisher_address(name, own))
        caller = Caller("publisher", f"publisher:{name}", own, name)
        answer = await Publisher(gateway, caller, own, new_traceparent(), credential).publish(events)
        if events.alone and answer.refused:
            raise alone(answer)
        return msgspec.json.encode(answer)

    return handle


def headers_bytes(headers: Mapping[str, str]) -> int:
    """Of the headers that the publisher sent: those called ``Nats-...`` are added by the server."""
    sent = {key: value for key, value in headers.items() if not key.lower().startswith("nats-")}
    return sum(len(key) + len(value) + len(": \r\n") for key, value in sent.items())


def credential_of(gateway: Gateway, name: str) -> Credential:
    """Says where and what the publisher may publish. Read each time: it may have been removed, or made for another."""
    try:
        return read_credential(gateway.home.root, publisher_user(name))
    except CredentialMissing:
        raise Refused("publisher.absent", f"there is no publisher {name!r} any more") from None
