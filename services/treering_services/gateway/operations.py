"""For operators: is it alive, is it ready, how far is each part, and the figures."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct
from starlette.responses import Response

from treering.adapters.bus import ask
from treering.domain.node import NODE, Node
from treering.kernel.log import LogUnavailable, encoder
from treering.kernel.refusal import Refused
from treering.views.queries import StatusQuery
from treering.views.states import with_status
from treering_services.gateway.call import Call, reply
from treering_services.gateway.metrics import MEDIA_TYPE

MONITOR_TIMEOUT_SECONDS = 2.0
BEHIND_MAX = 1000  # positions; a gateway further behind would keep its readers waiting


class Health(Struct, frozen=True):
    status: str = "ok"


class NodeLine(Struct, frozen=True):
    workspace: str
    name: str
    compute: str
    slots: int


class StatusReport(Struct, frozen=True):
    """``monitor`` is the monitor's own answer, or "unavailable"; ``head`` 0 when the log does not answer."""

    nats: str
    head: int
    position: int
    streams: int
    nodes: list[NodeLine]
    monitor: Any


async def healthz(call: Call) -> Response:
    return reply(Health())


async def readyz(call: Call) -> Response:
    """200 only when NATS is connected and the view is near the head of the log."""
    gateway = call.gateway
    if not gateway.client.is_connected:
        raise Refused("log.unavailable", "not connected to NATS")
    behind = await gateway.log.head() - gateway.reader.projector.position
    if behind > BEHIND_MAX:
        raise Refused("view.behind", f"the view is {behind} positions behind the log")
    return reply(Health())


async def metrics(call: Call) -> Response:
    figures = call.gateway.metrics
    figures.streams.set(len(call.gateway.open_streams.tails))
    figures.position.set(call.gateway.reader.projector.position)
    return Response(figures.text(), media_type=MEDIA_TYPE)


async def openapi(call: Call) -> Response:
    return reply(call.gateway.openapi)


async def status(call: Call) -> Response:
    gateway = call.gateway
    found = await gateway.reader.view.read(lambda db: with_status(db, NODE.kind, ["online"]))
    nodes = [NodeLine(address.workspace, address.key, *capacity(node)) for address, node, _ in found]
    return reply(
        StatusReport(
            nats="connected" if gateway.client.is_connected else "disconnected",
            head=await head_or_zero(call),
            position=gateway.reader.projector.position,
            streams=len(gateway.open_streams.tails),
            nodes=nodes,
            monitor=await monitor_status(call),
        )
    )


def capacity(node: Node) -> tuple[str, int]:
    return node.compute, node.slots


async def head_or_zero(call: Call) -> int:
    try:
        return await call.gateway.log.head()
    except LogUnavailable:
        return 0


async def monitor_status(call: Call) -> Any:
    query = encoder.encode(StatusQuery())
    try:
        return msgspec.Raw(await ask(call.gateway.client, "qry.status", query, timeout_seconds=MONITOR_TIMEOUT_SECONDS))
    except LogUnavailable:
        return "unavailable"
