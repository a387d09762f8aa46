"""Metric points on their way: what one message of the stream MET holds.

A message packs the points of all requests that waited at the same moment, of any runs, so that they share one
sync to disk. It names for each run what a reader would otherwise have to look up: its number (the position of
its first commit), its experiment and its start. None of these ever change.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, NamedTuple

from msgspec import Meta, Struct

from treering.kernel.bounds import PARTS_MAX, Float64, Int64, MetricKey, Name, Position
from treering.kernel.stored import StoredDecoder

SUBJECT = "points"


class Series(Struct, frozen=True, omit_defaults=True, array_like=True):
    """The points of one metric in one request, column by column. A value of None is NaN.

    ``model_id`` and the data set are set when the points were measured on a model, or with a data set.
    """

    key: MetricKey
    values: Annotated[list[Float64 | None], Meta(max_length=PARTS_MAX)]
    timestamps: Annotated[list[Int64], Meta(max_length=PARTS_MAX)]  # milliseconds since 1970
    steps: Annotated[list[Int64], Meta(max_length=PARTS_MAX)]
    model_id: Name = ""
    dataset_name: Name = ""
    dataset_digest: Name = ""


class RunPoints(Struct, frozen=True, omit_defaults=True):
    """What one request logged to one run. ``actor`` logged it."""

    run_id: Name
    number: Position
    experiment: Position
    start_time: Int64  # milliseconds since 1970
    actor: Name
    series: Annotated[list[Series], Meta(max_length=PARTS_MAX)]


class Points(Struct, frozen=True):
    """The body of one message. ``id`` is also its Nats-Msg-Id."""

    id: Name
    at: datetime
    runs: Annotated[list[RunPoints], Meta(max_length=PARTS_MAX)]


class PointsEntry(NamedTuple):
    """A message where it stands in the stream, with the workspace its subject names."""

    position: int
    workspace: str
    points: Points


decoder: StoredDecoder[Points] = StoredDecoder(Points)  # of what is stored: other releases had other bounds
