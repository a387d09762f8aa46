"""What Prometheus is told beyond requests: the log, the views, the jobs, the nodes, the disk; asked at each scrape."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector

import treering
from treering.adapters.free_space import room_in
from treering.adapters.sqlite_view import Database
from treering.domain.job import JOB
from treering.domain.node import NODE
from treering.kernel.clock import monotonic_seconds
from treering.kernel.decoding import decode
from treering.kernel.log import LogUnavailable
from treering.views.queries import StatusAnswer
from treering.views.states import with_status
from treering_services.alerting import raised_in
from treering_services.gateway.readiness import Readiness, monitor_status

if TYPE_CHECKING:
    from treering_services.gateway.core import Gateway

# Counting a million jobs takes a while: a count is kept for so many times as long as it took.
COUNT_KEPT_TIMES = 100


class Figures:
    """The gauges of one gateway, in its registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, what: str, *labels: str) -> Gauge:
            return Gauge(f"treering_{name}", what, labels, registry=registry)

        ProcessCollector(registry=registry)
        self.build = gauge("build_info", "Always 1; the release is in the label", "version")
        self.build.labels(treering.__version__).set(1)
        self.ready = gauge("ready", "1: the part is ready, 0: it is not", "part")
        self.head = gauge("log_position", "Position of the last commit of the log")
        self.verified = gauge("log_verified_position", "Up to here the log was compared with its copy since the start")
        self.damaged = gauge("log_damaged", "1: the log is not what it was (treering log verify)")
        self.incomplete = gauge("view_incomplete", "Resources that a view cannot show (treering doctor)", "view")
        self.alerts = gauge("alerts", "Alerts of the installation that are raised", "code")
        self.lag = gauge("view_lag", "Positions a view is behind the log", "view")
        self.jobs = gauge("jobs", "Jobs by status", "status")
        self.nodes = gauge("nodes_online", "Nodes that are online")
        self.slots = gauge("node_slots", "Commands that the online nodes can run at a time")
        self.free = gauge("disk_free_bytes", "Bytes free where a store is", "store")
        self.needed = gauge("disk_needed_bytes", "Below this many free bytes clients are refused", "store")
        self.count_until_seconds = 0.0

    async def ask(self, gateway: Gateway, ready: Readiness) -> None:
        """Set every gauge to what is so now; what does not answer keeps its last value."""
        for name, part in ready.parts.items():
            self.ready.labels(name).set(part.state != "wrong")
        for store in gateway.home.stores:
            room = room_in(store)
            self.free.labels(store.name).set(room.free_bytes)
            self.needed.labels(store.name).set(room.clients_bytes_min)
        await self.count(gateway)
        await self.positions(gateway)
        await self.alarms(gateway)

    async def alarms(self, gateway: Gateway) -> None:
        for view in (gateway.reader.view, gateway.tracking.view):
            self.incomplete.labels(view.name).set(view.incomplete)
        self.alerts.clear()
        for code, number in Counter(alert.code for _, alert in await raised_in(gateway.reader.view)).items():
            self.alerts.labels(code).set(number)

    async def count(self, gateway: Gateway) -> None:
        online = await gateway.reader.read(lambda db: with_status(db, NODE.kind, ["online"]))
        self.nodes.set(len(online))
        self.slots.set(sum(node.slots for _, node, _ in online))
        began = monotonic_seconds()
        if began < self.count_until_seconds:
            return
        self.jobs.clear()
        for status, number in (await gateway.reader.read(jobs_by_status)).items():
            self.jobs.labels(status).set(number)
        self.count_until_seconds = began + COUNT_KEPT_TIMES * (monotonic_seconds() - began)

    async def positions(self, gateway: Gateway) -> None:
        position = gateway.reader.projector.position
        try:
            head = await gateway.log.head()
        except LogUnavailable:
            return
        self.head.set(head)
        self.lag.labels(gateway.reader.view.name).set(max(head - position, 0))
        said = await monitor_status(gateway)
        if isinstance(said, str):
            return
        status = decode(bytes(said), StatusAnswer)
        self.verified.set(status.verified_until)
        self.damaged.set(not status.ok)
        for name in status.views:
            self.incomplete.labels(name).set(sum(row.view == name for row in status.incomplete))
        for name, store in {"copy": status.copy, **status.views}.items():
            self.lag.labels(name).set(store.lag)


def jobs_by_status(db: Database) -> dict[str, int]:
    found = db.execute("SELECT status, count(*) AS number FROM states WHERE kind = ? GROUP BY status", (JOB.kind,))
    return {str(row["status"]): int(row["number"]) for row in found}
