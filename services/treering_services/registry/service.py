"""Receive a command, execute it on its aggregate, reply."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import structlog

from treering.adapters.alerts import Alerts
from treering.adapters.bus import PING, Commands, Responder, answered
from treering.adapters.free_space import RoomWatch, require_last_room
from treering.adapters.jetstream_log import JetStreamLog
from treering.adapters.log_check import deep_check
from treering.adapters.sqlite_view import SqliteView
from treering.domain import KINDS, kind_named
from treering.domain.compute import CreateCompute
from treering.domain.experiment_messages import CreateExperiment
from treering.domain.workspace import CreateWorkspace
from treering.kernel.aggregate import ANY_SERVICE, Command
from treering.kernel.clock import now
from treering.kernel.command import Answer, CommandMessage, Context, Written
from treering.kernel.decoding import decode, with_given
from treering.kernel.free_form import check_free
from treering.kernel.log import LogFull
from treering.kernel.projector import ViewDamaged
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address, checked_name
from treering.kernel.writer import Known, Writer
from treering.views.states import snapshot
from treering_services.alerting import raised_in, report_incomplete
from treering_services.base import ServiceBase, StatesReader

DEFAULTS: tuple[tuple[Address, Command], ...] = (
    (Address("main", "workspace", "main"), CreateWorkspace("Main")),
    (Address("main", "compute", "local"), CreateCompute("local", "this machine")),
    (Address("main", "experiment", "Default"), CreateExperiment()),
)
log = structlog.get_logger()


class Registry:
    """Writers for every kind, behind one handler."""

    def __init__(self, event_log: JetStreamLog, states: SqliteView, store: Path) -> None:
        """``store`` is the folder of the log, or where it would be on this machine."""
        self.log = event_log
        self.states = states
        self.check_room = RoomWatch(require_last_room, store).check
        self.writers: dict[str, Writer[Any]] = {
            name: Writer(event_log, kind, self.snapshot) for name, kind in KINDS.items()
        }

    async def snapshot(self, address: Address) -> Known[Any] | None:
        """What the view knows of a resource; None, so that the log is read instead, while the view is made again."""
        try:
            return await self.states.peek(lambda db: snapshot(db, address))
        except ViewDamaged:
            return None

    async def handle(self, subject: str, body: bytes) -> bytes:
        """``subject`` is ``cmd.<service>.<kind>``: NATS lets each service publish only under its own name."""
        _, service, kind_name = subject.split(".")
        if kind_name == PING:
            return answered(Answer(Written(await self.log.head(), 0, changed=False)))
        kind = kind_named(kind_name)
        try:
            self.check_room()
        except Refused as refused:
            raise LogFull(refused.detail) from None  # for services too: it may be said again
        message = decode(body, CommandMessage, code="command.malformed")
        command = decode_command(kind.commands, message.command)
        if command.sent_by not in (service, ANY_SERVICE):
            raise Refused("command.forbidden", f"{type(command).__name__} is for the {command.sent_by} to send")
        address = Address(checked_name(message.workspace, "workspace"), kind.kind, checked_key(message.key))
        written = await self.writers[kind.kind].execute(address, command, message.context)
        log.debug("command.executed", address=str(address), command=type(command).__name__, position=written.position)
        return answered(Answer(written))

    async def make_defaults(self) -> None:
        """The first workspace and the compute target that is this machine: once, in an empty log."""
        for address, command in DEFAULTS:
            writer = self.writers[address.kind]
            await writer.catch_up(address)
            if writer.known[address].version == 0:
                context = Context(f"default:{address}", now(), "service:registry")
                await writer.execute(address, command, context)


def decode_command(decoder: msgspec.json.Decoder[Any], raw: msgspec.Raw) -> Command:
    try:
        command = decoder.decode(raw)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise Refused("command.malformed", with_given(str(error), bytes(raw))) from None
    assert isinstance(command, Command)
    check_free(command, "command.malformed")
    return command


def checked_key(key: str) -> str:
    """A key is a name, or ``name:version``."""
    name, colon, version = key.partition(":")
    checked_name(name)
    if colon:
        checked_name(version, "version")
    return key


async def run(base: ServiceBase, reader: StatesReader, started: Callable[[], None]) -> None:
    """The registry as a service: ready when it answers commands."""
    async with base.connected("registry") as client:
        event_log = JetStreamLog(client)
        await base.check_log(client, reader.view)
        await deep_check(client, base.home.copy / "log.db")
        registry = Registry(event_log, reader.view, base.home.nats)
        await registry.make_defaults()
        responder = Responder(client, "cmd.*.*", registry.handle)
        await responder.start()
        base.here.registry = responder
        try:
            alerts = Alerts(Commands(client, "registry", base.here))
            await base.work(started, report_incomplete(reader.view, alerts, lambda: raised_in(reader.view)))
        finally:
            base.here.registry = None
