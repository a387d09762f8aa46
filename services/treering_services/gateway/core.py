"""What every handler shares: the bus, the view, the blobs, the tokens; and the look-ups most of them need."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
from nats.aio.client import Client

from treering.adapters.blob_parts import BlobParts
from treering.adapters.blobs import LocalBlobs
from treering.adapters.bus import Commands, Here
from treering.adapters.free_space import RoomWatch, require_room
from treering.adapters.home_secrets import SecretsWatch
from treering.adapters.jetstream_log import JetStreamLog
from treering.adapters.package_indexes import listed_indexes
from treering.adapters.points_writer import PointsWriter
from treering.adapters.subscribers import Subscribers
from treering.adapters.tokens import Tokens
from treering.adapters.trees import TreeFile
from treering.config import Home
from treering.domain import KINDS
from treering.domain.workspace import WORKSPACE
from treering.kernel.aggregate import Aggregate, Command
from treering.kernel.command import Context, Written
from treering.kernel.new_name import NAME_SECRET
from treering.kernel.points import RunPoints
from treering.kernel.refusal import Refused, instead
from treering.kernel.subjects import Address, checked_name, plural
from treering.kernel.turns import Turns
from treering.kernel.turnstile import Turnstile
from treering.views.states import Resource, show, with_status
from treering_services.base import StatesReader
from treering_services.gateway.access import Access
from treering_services.gateway.figures import Figures
from treering_services.gateway.http.bodies import Bodies
from treering_services.gateway.http.limits import Limits, limits_here
from treering_services.gateway.http.shares import Share
from treering_services.gateway.hub import Hub
from treering_services.gateway.job_words import JobWords
from treering_services.gateway.metrics import Metrics
from treering_services.gateway.readiness import Asked
from treering_services.gateway.schemas import Schemas
from treering_services.gateway.scrubbing import has_secret_name, scrubbed
from treering_services.gateway.tail import OpenStreams
from treering_services.gateway.tickets import Tickets
from treering_services.gateway.tracking_reader import TrackingReader

WORKSPACES_KNOWN_MAX = 10_000
OPENING_MAX = 2  # folders with up to a million files, at a time; a caller has one
PLURALS = {plural(name): name for name in KINDS}


class CommandsWithRoom(Commands):
    """Commands of clients, refused (``disk.full``) before the disk is so full that the services could not go on.

    ``wrote`` is told the position of each, for readers who know no positions.
    """

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway.client, "gateway", gateway.here)
        self.wrote = gateway.tracking.wrote
        self.words = JobWords(gateway)
        self.find = gateway.find
        self.check_room = RoomWatch(require_room, *gateway.home.stores).check

    async def send(self, address: Address, command: Command | msgspec.Raw, context: Context) -> Written:
        self.check_room()
        if has_secret_name(address) and await self.find(address) is None:
            raise Refused(f"{address.kind}.name_secret", NAME_SECRET)
        command = await scrubbed(address.kind, command)
        masked = await self.words.masked(address.workspace, command, context)
        written = await super().send(address, masked, context)
        self.wrote(written.position)
        return written


class PointsWithRoom(PointsWriter):
    """Metric points of clients, refused as their commands are."""

    def __init__(self, client: Client, check_room: Callable[[], None]) -> None:
        super().__init__(client)
        self.check_room = check_room

    async def write(self, workspace: str, points: RunPoints) -> int:
        self.check_room()
        return await super().write(workspace, points)


class OpenTree(NamedTuple):
    """The files of a tree by their paths, and all paths in order: those of its empty folders end with a slash."""

    files: dict[str, TreeFile]
    paths: list[str]


@dataclass
class Gateway:
    """One per process. ``actor`` is the owner's id; ``auth`` False lets everybody in as the owner."""

    home: Home
    urls: list[str]
    client: Client
    reader: StatesReader
    tracking: TrackingReader
    tokens: Tokens
    actor: str
    auth: bool = True
    here: Here = field(default_factory=Here)
    openapi: bytes = b""
    asyncapi: bytes = b""
    metrics: Metrics = field(default_factory=Metrics)
    limits: Limits = field(default_factory=limits_here)
    asked: Asked = field(default_factory=Asked)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    workspaces: set[str] = field(default_factory=set)
    trees: dict[str, OpenTree] = field(default_factory=dict)  # by digest; artifact_trees.py bounds it

    def __post_init__(self) -> None:
        self.commands = CommandsWithRoom(self)
        self.figures = Figures(self.metrics.registry)
        self.points = PointsWithRoom(self.client, self.commands.check_room)
        self.log = JetStreamLog(self.client)
        self.blobs = LocalBlobs(self.home.blobs)
        self.parts = BlobParts(self.blobs)
        self.opening = Turnstile(Turns(OPENING_MAX, "folders of artifacts"))
        self.requests = Share("requests", self.limits.connections, self.limits.requests_each)
        self.uploads = Share("uploads", self.limits.uploads, self.limits.uploads_each)
        self.bodies = Bodies(self.limits)
        self.open_streams = OpenStreams(self.stopping, self.limits)
        self.hub = Hub(self.log, self.reader.feed)
        self.schemas = Schemas()
        self.tickets = Tickets()
        self.subscribers = Subscribers(self.home.keys)
        self.access = Access(self)
        self.secrets = SecretsWatch(self.home)
        self.indexes = listed_indexes(os.environ)

    async def reached(self, after: int) -> None:
        """Wait until reads show ``after``. ``Refused("query.beyond_log")`` for a position behind the end of the log,
        which is asked only when neither the view nor what this process wrote has come so far."""
        known = max(self.reader.projector.position, self.tracking.commits_written)
        if after > known and after > (head := await self.log.head()):
            why = f"after is position {after}, and the log's last is {head}"
            raise Refused("query.beyond_log", f"{why}: say one that an answer gave, or leave it out")
        await self.reader.projector.reached(after)

    async def find(self, address: Address, *, after: int = 0) -> Resource | None:
        """The resource as the view shows it at ``after`` or later. What is not there is looked for once more
        when the view has everything that was in the log: it may be about to come."""
        await self.reached(after)
        found = await self.reader.view.peek(lambda db: show(db, address))
        if found is None and await self.catch_up():
            found = await self.reader.view.peek(lambda db: show(db, address))
        if found is not None:
            self.tracking.showed(found.position)
        return found

    async def find_now(self, address: Address) -> Resource | None:
        """As it is after all that this gateway wrote: a client that names no position goes by its last answer."""
        return await self.find(address, after=self.tracking.commits_written)

    async def get(self, address: Address, *, after: int = 0) -> Resource:
        found = await self.find(address, after=after)
        if found is None:
            raise Refused(f"{address.kind}.absent", f"there is no {address.kind} {address.key!r}")
        return found

    async def catch_up(self) -> bool:
        """Wait until the view shows all the log has now; False when it did already."""
        shown = self.reader.projector.position  # Before the question: the answer takes time, and the view moves on.
        head = await self.log.head()
        if shown >= head:
            return False
        await self.reader.projector.reached(head)
        return True

    async def require_workspace(self, name: str) -> None:
        """``Refused("workspace.absent")`` unless it exists. Workspaces never go away, so it is asked once."""
        if name in self.workspaces:
            return
        found = await self.find(Address(name, WORKSPACE.kind, name))
        if found is None:
            known = await self.reader.read(lambda db: with_status(db, WORKSPACE.kind, ("active", "archived")))
            names = [address.key for address, _, _ in known]
            raise Refused("workspace.absent", f"there is no workspace {name!r}{instead(name, names)}")
        if len(self.workspaces) < WORKSPACES_KNOWN_MAX:
            self.workspaces.add(name)


def kind_of(plural: str) -> Aggregate[object, object, object]:
    """The kind whose plural stands in a path; ``Refused("kind.unknown")`` with those there are."""
    if plural not in PLURALS:
        raise Refused("kind.unknown", f"there are no {plural[:80]!r}{instead(plural, PLURALS)}")
    return KINDS[PLURALS[plural]]


def checked_address(workspace: str, kind: str, key: str) -> Address:
    """The address of a foreign key, ``name`` or ``name:version``; ``Refused("name.invalid")``."""
    name, colon, version = key.partition(":")
    checked_name(name)
    if colon:
        checked_name(version, "version")
    if kind == WORKSPACE.kind and key != workspace:
        raise Refused("workspace.name", f"a workspace lives in itself: {workspace!r} and {key!r} must be the same name")
    return Address(workspace, kind, key)
