"""The stream of metric points: what the monitor has seen of it, put into the log so that a proof covers the points.

    (absent) --sealed--> sealed --sealed--> sealed

Points are no events (docs/adr/0006-points.md). A seal says how many messages the stream had, and the root of the Merkle
tree over them: whoever changes a point afterwards contradicts the log.
"""

from __future__ import annotations

import re
from typing import ClassVar, Literal

from msgspec import Struct

from treering.kernel.aggregate import Aggregate, Command, Event, Summary
from treering.kernel.bounds import Name, Size
from treering.kernel.refusal import Refused

KEY = "MET"
ROOT = re.compile("[0-9a-f]{64}")


class SealMetricStream(Command, frozen=True, tag="seal"):
    sent_by: ClassVar[str] = "monitor"

    positions: Size
    root: Name


class MetricStreamSealed(Event, frozen=True, tag="metric_stream.sealed"):
    """The first ``positions`` messages had this root (RFC 6962, SHA-256, in hex)."""

    positions: Size
    root: Name


class MetricStream(Struct, frozen=True, omit_defaults=True):
    status: Literal["absent", "sealed"] = "absent"
    positions: int = 0
    root: str = ""


def evolve(state: MetricStream, event: MetricStreamSealed) -> MetricStream:
    return MetricStream("sealed", event.positions, event.root)


def decide(state: MetricStream, command: SealMetricStream) -> list[MetricStreamSealed]:
    """A stream only grows: fewer points than were sealed, or others, are refused."""
    if command.positions < 1 or not ROOT.fullmatch(command.root):
        raise Refused("metric_stream.invalid", "positions must be 1 or more, and root a SHA-256 in hex")
    if (command.positions, command.root) == (state.positions, state.root):
        return []
    if command.positions <= state.positions:
        why = f"{state.positions} messages are sealed, and these {command.positions} are not their like"
        raise Refused("metric_stream.set_back", why)
    return [MetricStreamSealed(command.positions, command.root)]


def summary(state: MetricStream) -> Summary:
    return Summary(state.status)


METRIC_STREAM: Aggregate[SealMetricStream, MetricStreamSealed, MetricStream] = Aggregate(
    "metric_stream",
    state=MetricStream,
    commands=SealMetricStream,
    events=MetricStreamSealed,
    decide=decide,
    evolve=evolve,
    summary=summary,
)
