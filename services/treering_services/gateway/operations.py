"""For operators: is it alive, is it ready, how far is each part, and the figures."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from starlette.responses import Response

from treering.domain.installation import Alert
from treering.domain.node import NODE, Node
from treering.kernel.epochs import FIRST
from treering.kernel.log import LogUnavailable, encoder
from treering.kernel.subjects import Address
from treering.views.queries import IncompleteRow
from treering.views.states import with_status
from treering_services.alerting import incomplete_in, raised_in
from treering_services.gateway.call import Call, reply
from treering_services.gateway.metrics import MEDIA_TYPE
from treering_services.gateway.problem import MEDIA_TYPE as PROBLEM_TYPE
from treering_services.gateway.problem import RETRY_AFTER_SECONDS, Problem
from treering_services.gateway.readiness import Part, monitor_status, readiness

ALERTS_MAX = 100


class Health(Struct, frozen=True):
    status: str = "ok"


class NotReady(Problem, frozen=True):
    """A problem that also says how each part is."""

    parts: dict[str, Part] = {}


class NodeLine(Struct, frozen=True):
    workspace: str
    name: str
    compute: str
    slots: int
    sandbox: str = ""
    ports: str = ""


class AlertLine(Struct, frozen=True):
    """An alert that is raised; ``name`` is that of its resource of the kind installation."""

    name: str
    code: str
    part: str
    workspace: str
    resource: str
    position: int
    detail: str


class StatusReport(Struct, frozen=True):
    """``monitor`` is the monitor's own answer, or "unavailable"; ``head`` 0 when the log does not answer; ``parts``
    as /readyz says it; ``incomplete`` what the gateway's views cannot show; ``alerts`` at most ALERTS_MAX; ``epoch``
    which of its logs this is, see docs/events.md."""

    nats: str
    head: int
    position: int
    streams: int
    nodes: list[NodeLine]
    monitor: Any
    parts: dict[str, Part]
    incomplete: list[IncompleteRow] = []
    alerts: list[AlertLine] = []
    epoch: str = FIRST


async def healthz(call: Call) -> Response:
    return reply(Health())


async def readyz(call: Call) -> Response:
    """200 only when no part is wrong; else 503 with the code of the first that is, and how each part is."""
    found = await readiness(call.gateway, call.gateway.asked)
    if not found.wrong:
        return reply(found)
    detail = "; ".join(f"{name}: {part.why}" for name, part in found.wrong.items())
    code = next(part.code for part in found.wrong.values())
    body = encoder.encode(NotReady("Service Unavailable", 503, detail, code, parts=found.parts))
    return Response(body, 503, {"retry-after": str(RETRY_AFTER_SECONDS)}, PROBLEM_TYPE)


async def metrics(call: Call) -> Response:
    gateway = call.gateway
    gateway.metrics.streams.set(len(gateway.open_streams.tails))
    gateway.metrics.position.set(gateway.reader.projector.position)
    await gateway.figures.ask(gateway, await readiness(gateway, gateway.asked))
    return Response(gateway.metrics.text(), media_type=MEDIA_TYPE)


async def openapi(call: Call) -> Response:
    return reply(call.gateway.openapi)


async def status(call: Call) -> Response:
    gateway = call.gateway
    raised = await raised_in(gateway.reader.view)
    found = await gateway.reader.read(lambda db: with_status(db, NODE.kind, ["online"]))
    nodes = [NodeLine(address.workspace, address.key, *facts_of(node)) for address, node, _ in found]
    return reply(
        StatusReport(
            nats="connected" if gateway.client.is_connected else "disconnected",
            head=await head_or_zero(call),
            position=gateway.reader.projector.position,
            streams=len(gateway.open_streams.tails),
            nodes=nodes,
            monitor=await monitor_status(gateway),
            parts=(await readiness(gateway, gateway.asked)).parts,
            incomplete=await incomplete_in(gateway.reader.view, gateway.tracking.view),
            alerts=[alert_line(address, alert) for address, alert in raised[:ALERTS_MAX]],
            epoch=gateway.hub.lineage.current,
        )
    )


def alert_line(address: Address, alert: Alert) -> AlertLine:
    return AlertLine(address.key, alert.code, alert.part, alert.workspace, alert.resource, alert.position, alert.detail)


def facts_of(node: Node) -> tuple[str, int, str, str]:
    return node.compute, node.slots, node.sandbox, node.ports


async def head_or_zero(call: Call) -> int:
    try:
        return await call.gateway.log.head()
    except LogUnavailable:
        return 0
