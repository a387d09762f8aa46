"""Run history as MLflow's API shows it: one SQLite file, made of parts that share its transactions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from treering.adapters.incomplete import Unit
from treering.adapters.sqlite_view import Database
from treering.domain import KINDS
from treering.domain.run import RUN
from treering.kernel.log import Entry
from treering.kernel.points import PointsEntry, decoder
from treering.kernel.subjects import Address, address_of, decode_token
from treering.views.tracking.artifacts import ArtifactsPart
from treering.views.tracking.experiments import ExperimentsPart
from treering.views.tracking.logged_models import LoggedModelsPart
from treering.views.tracking.metrics import MetricsPart
from treering.views.tracking.named_outputs import NamedOutputsPart
from treering.views.tracking.parts import Change, Part
from treering.views.tracking.registry import RegistryPart
from treering.views.tracking.runs import RunsPart

# In this order: runs look up their experiment.
PARTS: tuple[Callable[[], Part], ...] = (
    ExperimentsPart,
    RunsPart,
    MetricsPart,
    ArtifactsPart,
    RegistryPart,
    LoggedModelsPart,
    NamedOutputsPart,
)


class TrackingView:
    """Follows two streams: commits (``project``) and metric points (``project_points``)."""

    name = "tracking"

    def __init__(self, parts: Sequence[Callable[[], Part]] = PARTS) -> None:
        self.parts = [make() for make in parts]
        self.version = ".".join(["1", *(part.version for part in self.parts)])
        self.schema = "".join(part.schema for part in self.parts)
        self.readers: dict[str, list[Part]] = {
            kind: readers for kind in KINDS if (readers := [part for part in self.parts if kind in part.kinds])
        }

    def project(self, db: Database, entries: Sequence[Entry]) -> None:
        for entry in entries:
            address = address_of(entry.subject)
            readers = self.readers.get(address.kind)
            if readers is None:
                continue
            commit = entry.commit()
            change = Change(address, entry.position, commit, KINDS[address.kind].events.decode(commit.events))
            for part in readers:
                part.change(db, change)

    def forget(self) -> None:
        """Nothing is remembered of rows."""

    def project_points(self, db: Database, read: Sequence[PointsEntry]) -> None:
        for part in self.parts:
            part.points(db, read)


def points_entries(entries: Sequence[Entry]) -> list[PointsEntry]:
    return [points_entry(entry) for entry in entries]


def points_entry(entry: Entry) -> PointsEntry:
    """The points of a message; its subject is ``met.<workspace>.<word>``."""
    _, workspace, _ = entry.subject.split(".")
    return PointsEntry(entry.position, decode_token(workspace), decoder.decode(entry.body))


def points_units(entry: Entry) -> list[Unit]:
    """What a message says of each run."""
    read = points_entry(entry)
    return [
        Unit(
            Address(read.workspace, RUN.kind, one.run_id).subject,
            entry.position,
            PointsEntry(entry.position, read.workspace, msgspec.structs.replace(read.points, runs=[one])),
        )
        for one in read.points.runs
    ]
