"""Metric points on their way: what one message of the stream MET holds.

A message packs the points of all requests that waited at the same moment, of any runs, so that they share one
sync to disk. It names for each run what a reader would otherwise have to look up: its number (the position of
its first commit), its experiment and its start. None of these ever change.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import msgspec
from msgspec import Struct

SUBJECT = "points"


class Series(Struct, frozen=True, omit_defaults=True, array_like=True):
    """The points of one metric in one request, column by column. A value of None is NaN.

    ``model_id`` and the data set are set when the points were measured on a model, or with a data set.
    """

    key: str
    values: list[float | None]
    timestamps: list[int]  # milliseconds since 1970
    steps: list[int]
    model_id: str = ""
    dataset_name: str = ""
    dataset_digest: str = ""


class RunPoints(Struct, frozen=True, omit_defaults=True):
    """What one request logged to one run. ``actor`` logged it."""

    run_id: str
    number: int
    experiment: int
    start_time: int  # milliseconds since 1970
    actor: str
    series: list[Series]


class Points(Struct, frozen=True):
    """The body of one message. ``id`` is also its Nats-Msg-Id."""

    id: str
    at: datetime
    runs: list[RunPoints]


class PointsEntry(NamedTuple):
    """A message where it stands in the stream, with the workspace its subject names."""

    position: int
    workspace: str
    points: Points


decoder: msgspec.json.Decoder[Points] = msgspec.json.Decoder(Points)
