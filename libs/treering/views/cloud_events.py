"""Our commits as CloudEvents 1.0 (JSON), for subscribers: of each event what its kind says they need."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

import msgspec
from msgspec import Struct

from treering.domain.event import EVENT, EventPublished
from treering.kernel.log import UNDECODABLE, Commit, Entry, encoder, read_commit
from treering.kernel.subjects import Address, address_or_none
from treering.kernel.uri_reference import readings
from treering.views.told_fields import told

SPECIFICATION = "1.0"
JSON = "application/json"
FIRST = re.compile(r"[/?#;]")  # ends the first part of a path
OUR_SOURCES = "/treering/"  # what nobody else may publish under: it would look like an event of ours


def is_our_source(source: str) -> bool:
    """Would an event of this source be taken for one of ours? However it is spelled: in another case, encoded, with
    dots, blanks or more slashes, with a query, a fragment or parameters behind it."""
    return any(FIRST.split(form.lstrip("/"), maxsplit=1)[0] == OUR_SOURCES.strip("/") for form in readings(source))


def source_of_job(workspace: str, name: str) -> str:
    """Under which a job publishes, and nobody else: what it is called here."""
    return f"{OUR_SOURCES}{workspace}/job/{name}"


class CloudEvent(Struct, frozen=True, omit_defaults=True):
    """``position``, ``actor``, ``via``, ``commandid``, ``cause``, ``traceparent``, ``recordedtime``, ``published`` and
    ``logepoch`` are our extension attributes. ``via`` is the job that acted with the rights of ``actor``. ``published``
    true: a publisher said it, whatever its type says; events of ours have it not. ``time`` of a published event is what
    its publisher said; when it was stored is ``recordedtime``. ``logepoch``: in which epoch of the log; the first is
    left out."""

    specversion: str
    id: str
    source: str
    type: str
    position: int
    subject: str = ""
    time: datetime | None = None
    datacontenttype: str = ""
    dataschema: str = ""
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    data_base64: str | msgspec.UnsetType = msgspec.UNSET
    actor: str = ""
    commandid: str = ""
    cause: str = ""
    traceparent: str = ""
    recordedtime: datetime | None = None
    published: bool = False
    via: str = ""
    logepoch: str = ""


class Tag(Struct, frozen=True):
    type: str


class Numbered(Struct, frozen=True):
    """``id`` says where the event stands in which log, see ``id_of``. ``extensions`` are the attributes of a published
    event that neither CloudEvents nor we know."""

    position: int
    index: int
    event: CloudEvent
    extensions: dict[str, str | int | bool] = {}

    @property
    def id(self) -> str:
        return id_of(self.event.logepoch, self.position, self.index)

    @property
    def body(self) -> bytes:
        """The event in the JSON format of CloudEvents."""
        body = encoder.encode(self.event)
        return body[:-1] + b"," + encoder.encode(self.extensions)[1:] if self.extensions else body


bodies: msgspec.json.Decoder[list[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw])
tags: msgspec.json.Decoder[Tag] = msgspec.json.Decoder(Tag)
publications: msgspec.json.Decoder[EventPublished] = msgspec.json.Decoder(EventPublished)


def id_of(epoch: str, position: int, index: int) -> str:
    """``<epoch>:<position>.<index in its commit>``; the first epoch is left out."""
    return f"{epoch}:{position}.{index}" if epoch else f"{position}.{index}"


def cloud_events(entry: Entry, epoch: str = "") -> Iterator[Numbered]:
    """The events of a commit of ``epoch``, "" for the first. One that somebody published comes out as it came in, with
    our attributes.

    What is no commit, or no event, is left out: the views report it, and subscribers go on behind it.
    """
    address, commit = address_or_none(entry.subject), read_commit(entry.body)
    if address is None or commit is None:
        return
    make = from_publisher if address.kind == EVENT.kind else from_ours
    for index, body in enumerate(events_in(commit)):
        try:
            yield make(address, commit, body, Stored(entry.position, index, epoch))
        except UNDECODABLE:
            continue


def events_in(commit: Commit) -> list[msgspec.Raw]:
    try:
        return bodies.decode(commit.events)
    except UNDECODABLE:
        return []


class Stored(NamedTuple):
    """Where an event stands: the ``number``-th of its commit."""

    position: int
    number: int
    epoch: str


def from_ours(address: Address, commit: Commit, body: msgspec.Raw, at: Stored) -> Numbered:
    id = id_of(at.epoch, at.position, at.number)
    type = tags.decode(body).type
    event = CloudEvent(
        SPECIFICATION, id, f"{OUR_SOURCES}{address.workspace}", type, at.position,
        subject=str(address), time=commit.at, datacontenttype=JSON, data=told(type, body), actor=commit.actor,
        commandid=commit.command_id, cause=commit.cause, traceparent=commit.trace, via=commit.via, logepoch=at.epoch,
    )  # fmt: skip
    return Numbered(at.position, at.number, event)


def from_publisher(address: Address, commit: Commit, body: msgspec.Raw, at: Stored) -> Numbered:
    event = publications.decode(body)
    has_data = event.data is not None or event.data_is_null
    said = CloudEvent(
        SPECIFICATION, event.id, event.source, event.event_type, at.position,
        subject=event.subject, time=event.time or commit.at,
        datacontenttype=event.content_type or (JSON if has_data else ""), dataschema=event.data_schema,
        data=msgspec.Raw(encoder.encode(event.data)) if has_data else msgspec.UNSET,
        data_base64=msgspec.UNSET if event.data_base64 is None else event.data_base64,
        actor=commit.actor, commandid=commit.command_id, cause=event.cause or commit.cause, traceparent=commit.trace,
        recordedtime=commit.at, published=True, via=commit.via, logepoch=at.epoch,
    )  # fmt: skip
    # An attribute that got a meaning here after the event was stored is told once, as ours.
    more = {name: value for name, value in event.extensions.items() if name not in CloudEvent.__struct_fields__}
    return Numbered(at.position, at.number, said, more)
