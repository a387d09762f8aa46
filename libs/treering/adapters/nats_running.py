"""How a running nats-server says that it runs: asked over NATS as the doctor, since there is no monitor port."""

from __future__ import annotations

from typing import TypeVar

import msgspec
import nats.errors
from nats.aio.client import Client

from treering.adapters.nats_connect import NatsUnavailable
from treering.adapters.nats_users import DOCTOR_ASKS

DOCTOR_TIMEOUT_SECONDS = 5.0
T = TypeVar("T")


class JetStreamSettings(msgspec.Struct, frozen=True):
    """How a running server says it was configured; ``sync_always`` is left out when it is off."""

    store_dir: str = ""
    max_storage: int = 0
    sync_interval: int = 0
    sync_always: bool = False


class Room(msgspec.Struct, frozen=True):
    """Connections that a running server has, also those that have shown no credential yet."""

    connections: int
    max_connections: int


class JetStreamData(msgspec.Struct, frozen=True):
    config: JetStreamSettings


class JetStreamReply(msgspec.Struct, frozen=True):
    data: JetStreamData


class RoomReply(msgspec.Struct, frozen=True):
    data: Room


async def running_settings(doctor: Client) -> JetStreamSettings:
    """What the running server says of its JetStream (of a cluster: the node that answers first).

    ``doctor`` is the user of that name. Asked over NATS: there is no monitor port. Raises NatsUnavailable.
    """
    return (await said(doctor, DOCTOR_ASKS[0], JetStreamReply)).data.config


async def running_room(doctor: Client) -> Room:
    """The same, of its connections."""
    return (await said(doctor, DOCTOR_ASKS[1], RoomReply)).data


async def said(doctor: Client, subject: str, type: type[T]) -> T:
    try:
        reply = await doctor.request(subject, b"{}", timeout=DOCTOR_TIMEOUT_SECONDS)
        return msgspec.json.decode(reply.data, type=type)
    except (nats.errors.Error, TimeoutError, OSError, msgspec.MsgspecError) as error:
        why = str(error) or error.__class__.__name__
        raise NatsUnavailable(f"the server does not say how it runs: {why}") from error
