"""Publish events: CloudEvents over HTTP or NATS, stored once however often they are said."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from starlette.responses import Response

from treering.adapters.nats_credentials import CredentialMissing, read_credential
from treering.adapters.nats_users import publisher_user
from treering.domain import KINDS
from treering.domain.event import EVENT, PublishEvent, content_digest, event_key
from treering.kernel.clock import new_traceparent, now
from treering.kernel.command import Context
from treering.kernel.decoding import decode
from treering.kernel.log import LogUnavailable
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address, checked_name
from treering.views.cloud_events import OUR_SOURCES, is_our_source
from treering.views.states import show
from treering_services.gateway.access_files import publisher_address
from treering_services.gateway.call import JSON, TRACEPARENT, Call, Caller, reply, written_headers
from treering_services.gateway.core import Gateway, checked_address
from treering_services.gateway.schemas import check_type

EVENTS_MAX = 500
SENDING_MAX = 64
UNAVAILABLE = ("log.unavailable", "service.busy")  # saying it again later may help
CLOUD_EVENT = "application/cloudevents+json"
CLOUD_EVENTS = "application/cloudevents-batch+json"


class CloudEventIn(Struct, frozen=True, forbid_unknown_fields=True):
    """A CloudEvent 1.0 as we can keep it: JSON data, and of extensions only ``cause`` and ``traceparent``.

    ``subject``, if there is one, is ``kind/name`` of a resource of the workspace.
    """

    id: str
    source: str
    type: str
    specversion: str = "1.0"
    subject: str = ""
    time: datetime | None = None
    datacontenttype: str = JSON
    data: Any = None
    cause: str = ""
    traceparent: str = ""


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

    workspace: str
    events: list[msgspec.Raw]


class Publisher:
    """Publishes for one caller into one workspace."""

    def __init__(self, gateway: Gateway, caller: Caller, workspace: str, trace: str) -> None:
        self.gateway = gateway
        self.caller = caller
        self.workspace = workspace
        self.trace = trace
        self.permits = asyncio.Semaphore(SENDING_MAX)

    async def publish(self, events: list[msgspec.Raw], *, ordered: bool = False) -> PublishAnswer:
        """Each event on its own: a bad one does not keep the others out. ``ordered``: one after the other, and none
        behind one that the log did not take."""
        if not 1 <= len(events) <= EVENTS_MAX:
            raise Refused("event.batch", f"the batch has {len(events)} events; it must have 1 to {EVENTS_MAX}")
        await self.gateway.require_workspace(self.workspace)
        if ordered:
            results = await self.in_order(events)
        else:
            results = await asyncio.gather(*(self.publish_one(index, raw) for index, raw in enumerate(events)))
        return PublishAnswer(list(results), sum(1 for one in results if one.code))

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
                event = decode(bytes(raw), CloudEventIn, code="event.malformed")
                id = event.id
                await self.check(event)
                return await self.send(event)
            except Refused as refused:
                return PublishedOne(id, code=refused.code, detail=f"event {index}: {refused.detail}")
            except LogUnavailable as error:
                return PublishedOne(id, code="log.unavailable", detail=f"event {index}: {error}")

    async def check(self, event: CloudEventIn) -> None:
        if event.specversion != "1.0":
            raise Refused("event.invalid", f"specversion is {event.specversion[:20]!r}; it must be '1.0'")
        if event.datacontenttype.partition(";")[0].strip() not in (JSON, "") and event.data is not None:
            raise Refused("event.invalid", f"datacontenttype must be {JSON}")
        if is_our_source(event.source):
            raise Refused("event.source_reserved", f"source begins with {OUR_SOURCES!r}, as only treering's own may")
        check_type(event.type)
        own = f"job/{self.caller.name}"
        if self.caller.policy == "job" and event.subject != own:
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
        if await view.peek(lambda db: show(db, address)) is None and await self.gateway.find(address) is None:
            raise Refused("event.subject_absent", f"there is no {subject!r} in workspace {self.workspace!r}")

    async def send(self, event: CloudEventIn) -> PublishedOne:
        """The key is made of (source, id), the command's id of the content too: saying it again changes nothing."""
        key = event_key(event.source, event.id)
        trace = event.traceparent if TRACEPARENT.fullmatch(event.traceparent) else self.trace
        command = PublishEvent(event.source, event.id, event.type, event.subject, event.time, event.data, event.cause)
        context = Context(f"publish:{key}:{content_digest(command)}", now(), self.caller.actor, event.cause, trace)
        written = await self.gateway.commands.send(Address(self.workspace, EVENT.kind, key), command, context)
        return PublishedOne(event.id, written.position, duplicate=not written.changed)


async def publish_events(call: Call) -> Response:
    """One CloudEvent, or an array of them. 200: all are stored. 207: some were refused, see the results."""
    body = await call.body(CLOUD_EVENT, CLOUD_EVENTS, JSON)
    batch = body.lstrip()[:1] == b"["
    events = decode(body, list[msgspec.Raw]) if batch else [decode(body, msgspec.Raw)]
    publisher = Publisher(call.gateway, call.caller, call.workspace, call.trace)
    answer = await publisher.publish(events, ordered=call.query(PublishQuery).ordered)
    if not batch and answer.refused:
        raise Refused(answer.results[0].code, answer.results[0].detail)
    headers = written_headers(max(one.position for one in answer.results))
    return reply(answer, 207 if answer.refused else 200, headers)


def nats_publisher(gateway: Gateway) -> Any:
    """The handler of ``pub.*``: NATS lets each publisher ask under its own name only, and into its own workspace."""

    async def handle(subject: str, body: bytes) -> bytes:
        name = subject.partition(".")[2]
        message = decode(body, PublishMessage, code="event.malformed")
        workspace = checked_name(message.workspace, "workspace")
        own = await asyncio.to_thread(workspace_of, gateway, name)
        if workspace != own:
            raise Refused("event.forbidden", f"publisher {name!r} may publish into workspace {own!r} only")
        await gateway.access.require(publisher_address(name, own))
        caller = Caller("publisher", f"publisher:{name}", own, name)
        answer = await Publisher(gateway, caller, workspace, new_traceparent()).publish(message.events)
        return msgspec.json.encode(answer)

    return handle


def workspace_of(gateway: Gateway, name: str) -> str:
    """Where the publisher may publish. Read anew each time: it may have been removed, or made for another."""
    try:
        return read_credential(gateway.home.root, publisher_user(name)).bound_to
    except CredentialMissing:
        raise Refused("publisher.absent", f"there is no publisher {name!r} any more") from None
