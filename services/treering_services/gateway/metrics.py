"""Figures for Prometheus: requests by route and status, with children bound once and kept."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """One registry per gateway, so that two in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "treering_http_requests", "Requests answered", ("method", "route", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "treering_http_request_seconds",
            "From the request line to the start of the answer (of a stream: to its end)",
            ("method", "route"),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.streams = Gauge("treering_http_streams", "Open event and log streams", registry=self.registry)
        self.position = Gauge("treering_view_position", "Log position of the states view", registry=self.registry)
        self.counters: dict[tuple[str, str, int], Counter] = {}
        self.timers: dict[tuple[str, str], Histogram] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """``route`` is the pattern in the table, never a foreign path: the number of children is bounded."""
        counter = self.counters.get((method, route, status))
        if counter is None:
            counter = self.counters[(method, route, status)] = self.requests.labels(method, route, str(status))
        timer = self.timers.get((method, route))
        if timer is None:
            timer = self.timers[(method, route)] = self.seconds.labels(method, route)
        counter.inc()
        timer.observe(seconds)

    def text(self) -> bytes:
        return generate_latest(self.registry)
