"""Publish events: CloudEvents over HTTP or NATS, stored once however often they are said."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace
from starlette.responses import Response

from treering.adapters.nats_credentials import Credential, CredentialMissing, read_credential
from treering.adapters.nats_users import publisher_user
from treering.domain import KINDS
from treering.domain.event import EVENT, Identifier, PublishEvent, content_digest, event_key
from treering.domain.publisher_limits import require_allowed
from treering.kernel.asking import Asker
from treering.kernel.bounds import ITEMS_MAX, Free, Name, fault_in_identifier, rule
from treering.kernel.clock import new_traceparent, now
from treering.kernel.command import Context
from treering.kernel.decoding import check_repeats, check_values, decode
from treering.kernel.ending import run_each
from treering.kernel.log import LogUnavailable
from treering.kernel.refusal import Refused
from treering.kernel.rfc3339 import moment
from treering.kernel.shared_limits import EVENTS_MAX
from treering.kernel.subjects import NAME_CHARACTERS_MAX, Address, checked_name
from treering.views.states import show
from treering_services.gateway.access_files import publisher_address
from treering_services.gateway.call import (
    BODY_BYTES_MAX,
    JSON,
    TRACEPARENT,
    Call,
    Caller,
    reply,
    too_large,
    written_headers,
)
from treering_services.gateway.core import Gateway, checked_address
from treering_services.gateway.event_headers import check_event_headers
from treering_services.gateway.event_sources import check_source, own_source
from treering_services.gateway.schemas import check_type

SENDING_MAX = 64
LARGE_BYTES = 4 * 1024  # an event whose values are worth a turn of the loop
# Read by ``moment``: msgspec knows no leap seconds.
Time = Annotated[str, Meta(max_length=64, extra_json_schema={"format": "date-time"})]
Source = Annotated[Name, rule(maxLength=NAME_CHARACTERS_MAX, format="uri-reference")]
UNAVAILABLE = ("log.unavailable", "service.busy")  # saying it again later may help
CLOUD_EVENT = "application/cloudevents+json"
CLOUD_EVENTS = "application/cloudevents-batch+json"


class CloudEventIn(Struct, frozen=True, forbid_unknown_fields=True):
    """A CloudEvent 1.0 as we can keep it: JSON data, and of extensions only ``cause`` and ``traceparent``.

    ``subject``, if there is one, is ``kind/name`` of a resource of the workspace. A job may leave ``source`` out: its
    events have that of the job.
    """

    id: Identifier
    type: Identifier
    source: Source = ""
    specversion: Name = "1.0"
    subject: Name = ""
    time: Time | None = None
    datacontenttype: Name = JSON
    data: Free = None
    cause: Name = ""
    traceparent: Name = ""


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


class PublishQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """``ordered``: store the events of a batch in their order, which takes longer."""

    ordered: bool = False


class PublishMessage(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a request on ``pub.<publisher>``."""

    workspace: Name
    events: Annotated[list[msgspec.Raw], Meta(max_length=ITEMS_MAX)]


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

    async def publish(self, events: list[msgspec.Raw], *, ordered: bool = False) -> PublishAnswer:
        """Each event on its own: a bad one does not keep the others out. ``ordered``: one after the other, and none
        behind one that the log did not take."""
        if not 1 <= len(events) <= EVENTS_MAX:
            raise Refused("event.batch", f"the batch has {len(events)} events; it must have 1 to {EVENTS_MAX}")
        await self.gateway.require_workspace(self.workspace)
        if ordered:
            results = await self.in_order(events)
        else:
            results = await run_each(*(self.publish_one(index, raw) for index, raw in enumerate(events)))
        return PublishAnswer(results, sum(1 for one in results if one.code))

    async def in_order(self, events: list[msgspec.Raw]) -> list[PublishedOne]:
        results = list[PublishedOne]()
        for index, raw in enumerate(events):
            if results and results[-1].code in UNAVAILABLE:
                detail = f"event {index}: one before it was not stored"
                results.append(PublishedOne("", code=results[-1].code, detail=detail))
            else:
                results.append(await self.publish_one(index, raw))
        return results

    async def publish_one(self, index: int, raw: msgspec.Raw) -> PublishedOne:
        id = ""
        async with self.permits:
            try:
                event = await self.read(raw)
                id = event.id  # known before anything else is refused, so that the answer names it
                check_repeats(bytes(raw), "event.malformed")
                event = replace(event, source=event.source or own_source(self.caller))
                await self.check(event)
                return await self.send(event)
            except Refused as refused:
                return PublishedOne(id, code=refused.code, detail=f"event {index}: {refused.detail}")
            except LogUnavailable as error:
                return PublishedOne(id, code="log.unavailable", detail=f"event {index}: {error}")

    async def read(self, raw: msgspec.Raw) -> CloudEventIn:
        """Large events of a batch one by one, with a turn of the loop for others before each."""
        if len(raw) <= LARGE_BYTES:
            return read_event(raw)
        async with self.reading:
            await asyncio.sleep(0)
            return read_event(raw)

    async def check(self, event: CloudEventIn) -> None:
        if event.specversion != "1.0":
            raise Refused("event.invalid", f"specversion is {event.specversion[:20]!r}; it must be '1.0'")
        if event.datacontenttype.partition(";")[0].strip().lower() not in (JSON, "") and event.data is not None:
            raise Refused("event.invalid", f"datacontenttype is {event.datacontenttype[:80]!r}; it must be {JSON}")
        check_source(self.caller, event.source)
        for name in ("id", "type", "cause", "datacontenttype"):
            if fault := fault_in_identifier(getattr(event, name)):
                raise Refused("event.invalid", f"{name} is {getattr(event, name)[:100]!a}: {fault}")
        check_type(event.type)
        if fault := fault_in_type(event.type):
            raise Refused("event.invalid", f"type is {event.type[:100]!a}: {fault}")
        if self.credential is not None:
            require_allowed(self.credential.sources, self.credential.types, event.source, event.type)
        own = f"job/{self.caller.name}"
        if self.caller.is_bounded and event.subject != own:
            raise Refused("event.forbidden", f"this token may publish about {own!r} only, as the event's subject")
        if event.subject:
            await self.check_subject(event.subject)
        await self.gateway.schemas.check(self.gateway, self.workspace, event.type, event.data)

    async def check_subject(self, subject: str) -> None:
        kind, slash, key = subject.partition("/")
        if not slash or kind not in KINDS:
            raise Refused("event.subject_invalid", f"subject is {subject[:100]!r}; it must be kind/name of a resource")
        address = checked_address(self.workspace, kind, key)
        view = self.gateway.reader.view
        try:
            found = await view.peek(lambda db: show(db, address)) or await self.gateway.find(address)
        except Refused as refused:
            if refused.code != "view.incomplete":
                raise
            return  # It exists, and what is published about it is as true.
        if found is None:
            raise Refused("event.subject_absent", f"there is no {subject!r} in workspace {self.workspace!r}")

    async def send(self, event: CloudEventIn) -> PublishedOne:
        """The key is made of (source, id), the command's id of the content too: saying it again changes nothing."""
        key = event_key(event.source, event.id)
        trace = event.traceparent if TRACEPARENT.fullmatch(event.traceparent) else self.trace
        time = None if event.time is None else moment(event.time)
        command = PublishEvent(event.source, event.id, event.type, event.subject, time, event.data, event.cause)
        id = f"publish:{key}:{content_digest(command)}"
        context = Context(id, now(), self.caller.actor, event.cause, trace, self.caller.via)
        written = await self.gateway.commands.send(Address(self.workspace, EVENT.kind, key), command, context)
        return PublishedOne(event.id, written.position, duplicate=not written.changed)


async def publish_events(call: Call) -> Response:
    """One CloudEvent, or an array of them. 200: all are stored. 207: some were refused, see the results."""
    body = await call.body(CLOUD_EVENT, CLOUD_EVENTS, JSON)
    batch = body.lstrip()[:1] == b"["
    events = decode(body, list[msgspec.Raw]) if batch else [decode(body, msgspec.Raw)]
    structured = call.header(b"content-type").lower().startswith(CLOUD_EVENT) and not batch
    check_event_headers(call.headers, events[0] if structured else None)
    publisher = Publisher(call.gateway, call.caller, call.workspace, call.trace)
    answer = await publisher.publish(events, ordered=call.query(PublishQuery).ordered)
    if not batch and answer.refused:
        raise Refused(answer.results[0].code, answer.results[0].detail)
    headers = written_headers(max(one.position for one in answer.results))
    return reply(answer, 207 if answer.refused else 200, headers)


def read_event(raw: msgspec.Raw) -> CloudEventIn:
    check_values(bytes(raw), "event.malformed")
    return decode(bytes(raw), CloudEventIn, code="event.malformed")


def check_envelope(body: bytes) -> None:
    """``Refused("event.malformed")`` for a name that stands twice around the events; within, each is checked alone."""
    events = decode(body, dict[str, msgspec.Raw], code="event.malformed")["events"]
    around = body.replace(bytes(events), b"0", 1)
    check_values(around, "event.malformed")
    check_repeats(around, "event.malformed")


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
        if len(body) > BODY_BYTES_MAX:  # as over HTTP: whoever publishes has one number to know
            raise too_large(BODY_BYTES_MAX)
        await gateway.bodies.turn(Asker(f"publisher:{name}"), len(body))
        message = decode(body, PublishMessage, code="event.malformed")
        check_envelope(body)
        workspace = checked_name(message.workspace, "workspace")
        credential = await asyncio.to_thread(credential_of, gateway, name)
        own = credential.bound_to
        if workspace != own:
            raise Refused("event.forbidden", f"publisher {name!r} may publish into workspace {own!r} only")
        await gateway.access.require(publisher_address(name, own))
        caller = Caller("publisher", f"publisher:{name}", own, name)
        publisher = Publisher(gateway, caller, workspace, new_traceparent(), credential)
        answer = await publisher.publish(message.events)
        return msgspec.json.encode(answer)

    return handle


def credential_of(gateway: Gateway, name: str) -> Credential:
    """Says where and what the publisher may publish. Read each time: it may have been removed, or made for another."""
    try:
        return read_credential(gateway.home.root, publisher_user(name))
    except CredentialMissing:
        raise Refused("publisher.absent", f"there is no publisher {name!r} any more") from None
