"""Runs in the shape of MLflow's API, one or many at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta, Struct

from treering.adapters.incomplete import ANY_INCOMPLETE, incomplete_subjects, is_complete, require_complete
from treering.adapters.sqlite_view import Database
from treering.domain.job import JOB
from treering.domain.run import RUN
from treering.domain.run_messages import Dataset
from treering.kernel.bounds import ITEMS_MAX, Name, Profile, Text
from treering.kernel.pages import NO_END, PART_BYTES, ROW_BYTES, PageFull, Room, page_of
from treering.kernel.subjects import Address
from treering.views.tracking.experiments import MARKS_MAX, STAGES, KeyValue

SUMMARIES_MAX = 1000
METRIC_BYTES = 80  # of a metric's latest point, beside its key
RUNS = (
    f"SELECT runs.*, artifact_location, {ANY_INCOMPLETE} AS any_incomplete"
    " FROM runs JOIN experiments ON experiments.id = runs.experiment"
)
HEAD = (
    "SELECT number, experiment, start_time, lifecycle, logged, created_by, name,"
    f" ifnull((SELECT names FROM metric_names WHERE run = number), 0), {ANY_INCOMPLETE} AS any_incomplete"
    " FROM runs WHERE workspace = ? AND run_id = ?"
)


class MetricRow(Struct, frozen=True, gc=False):  # a page has 25,000 of them
    key: str
    value: float | str  # NaN travels as a string
    timestamp: int
    step: int


class RunInfo(Struct, frozen=True, omit_defaults=True):
    run_uuid: str  # what MLflow called run_id before 2019; its clients still read both
    experiment_id: str
    run_name: str
    user_id: str
    status: str
    start_time: int
    artifact_uri: str
    lifecycle_stage: str
    run_id: str
    end_time: int | None = None


class RunData(Struct, frozen=True, omit_defaults=True):
    metrics: list[MetricRow] = []
    params: list[KeyValue] = []
    tags: list[KeyValue] = []


class DatasetRow(Struct, frozen=True, omit_defaults=True):
    name: Name
    digest: Name
    source_type: Name
    source: Text
    schema: Text = ""
    profile: Profile = ""


class DatasetInputRow(Struct, frozen=True, omit_defaults=True):
    dataset: DatasetRow
    tags: Annotated[list[KeyValue], Meta(max_length=ITEMS_MAX)] = []


class DatasetSummary(Struct, frozen=True, omit_defaults=True):
    experiment_id: str
    name: str
    digest: str
    context: str | None = None


class ModelInputRow(Struct, frozen=True):
    model_id: Name


class ModelOutputRow(Struct, frozen=True):
    model_id: str
    step: int


class RunInputs(Struct, frozen=True, omit_defaults=True):
    model_inputs: list[ModelInputRow] = []
    dataset_inputs: list[DatasetInputRow] = []


class RunOutputs(Struct, frozen=True):
    model_outputs: list[ModelOutputRow]


class RunRow(Struct, frozen=True, omit_defaults=True):
    info: RunInfo
    data: RunData
    inputs: RunInputs = msgspec.field(default_factory=RunInputs)
    outputs: RunOutputs | None = None


class RunHead(NamedTuple):
    """What a write needs to know of a run: whether it may go on, and what its metric points must carry."""

    number: int
    experiment: int
    start_time: int
    lifecycle: int
    logged: bool  # False: the run of a job that nothing was logged to
    created_by: str
    name: str
    metrics: int  # how many names its metrics have


def addresses_of(workspace: str, run_id: str) -> tuple[Address, Address]:
    """A run is the resource of this name of one kind or the other."""
    return Address(workspace, RUN.kind, run_id), Address(workspace, JOB.kind, run_id)


def run_head(db: Database, workspace: str, run_id: str) -> RunHead | None:
    row = one_run(db, HEAD, workspace, run_id)
    return None if row is None else RunHead(*row[:-1])


def one_run(db: Database, sql: str, workspace: str, run_id: str) -> Any:
    """The row of a run, with the column ``any_incomplete``. ``Refused("view.incomplete")`` if it cannot be shown."""
    row = db.execute(sql, (workspace, run_id)).fetchone()
    if row is None or row["any_incomplete"]:
        require_complete(db, *addresses_of(workspace, run_id))
    return row


def run_by_another(db: Database, workspace: str, experiment_key: str, job: str, actor: str) -> str:
    """The id of a run in an experiment that is neither the run of ``job`` nor created by ``actor``; "" for none."""
    row = db.execute(
        "SELECT run_id FROM runs JOIN experiments ON experiments.id = runs.experiment"
        " WHERE experiments.workspace = ? AND experiments.key = ? AND run_id <> ? AND created_by <> ? LIMIT 1",
        (workspace, experiment_key, job, actor),
    ).fetchone()
    return str(row["run_id"]) if row else ""


def run(db: Database, workspace: str, run_id: str) -> RunRow | None:
    row = one_run(db, f"{RUNS} WHERE runs.workspace = ? AND run_id = ?", workspace, run_id)
    return None if row is None else full(db, [row], Room(NO_END))[0]


def run_info(db: Database, workspace: str, run_id: str) -> RunInfo | None:
    row = one_run(db, f"{RUNS} WHERE runs.workspace = ? AND run_id = ?", workspace, run_id)
    return None if row is None else info(row)


def runs_of(db: Database, numbers: Sequence[int]) -> tuple[list[RunRow], int]:
    """A page of the runs with these numbers, in their order, without those that cannot be shown; and of how many of
    the numbers it is."""

    def load(some: Sequence[int], room: Room) -> list[RunRow]:
        rows = db.execute(f"{RUNS} WHERE number IN ({marks(some)})", some).fetchall()
        if rows and rows[0]["any_incomplete"]:
            gone = incomplete_subjects(db)
            rows = [row for row in rows if is_complete(gone, *addresses_of(row["workspace"], row["run_id"]))]
        found = dict(zip((row["number"] for row in rows), full(db, rows, room), strict=True))
        return [found[number] for number in some if number in found]

    return page_of(numbers, load, at_once=MARKS_MAX)


def marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def info(row: Any) -> RunInfo:
    run_id = row["run_id"]
    return RunInfo(
        run_id, str(row["experiment"]), row["name"], row["user"], row["status"], row["start_time"],
        artifact_uri(row["artifact_location"], run_id), STAGES[row["lifecycle"]], run_id, row["end_time"],
    )  # fmt: skip


def artifact_uri(location: str, run_id: str) -> str:
    """Where a run's artifacts go: below the location of its experiment, before a query if it has one."""
    place, mark, query = location.partition("?")
    return f"{place.rstrip('/')}/{run_id}/artifacts{mark}{query}"


def full(db: Database, rows: Sequence[Any], room: Room) -> list[RunRow]:
    """At most ``MARKS_MAX`` runs with all that belongs to them: five statements, however many they are. The room of
    metrics, parameters and tags is counted without a call: there are hundreds in a page of runs."""
    numbers = [row["number"] for row in rows]
    room.take(ROW_BYTES * len(numbers))
    among = f"WHERE run IN ({marks(numbers)})"
    metrics: dict[int, list[MetricRow]] = {number: [] for number in numbers}
    left = room.bytes_left
    for number, key, value, timestamp, step in db.execute(
        f"SELECT run, key, value, timestamp, step FROM latest_metrics {among}", numbers
    ):
        left -= METRIC_BYTES + len(key)
        if left < 0:
            raise PageFull
        metrics[number].append(MetricRow(key, "NaN" if value is None else value, timestamp, step))
    room.bytes_left = left
    params = pairs(numbers, db.execute(f"SELECT run, key, value FROM run_params {among}", numbers), room)
    tags = pairs(numbers, db.execute(f"SELECT run, key, value FROM run_tags {among}", numbers), room)
    inputs, outputs = models(db, among, numbers, room)
    datasets = dataset_inputs(db, among, numbers, room)
    return [
        RunRow(
            info(row),
            RunData(metrics[number], params[number], tags[number]),
            RunInputs(inputs.get(number, []), datasets.get(number, [])),
            RunOutputs(outputs[number]) if number in outputs else None,
        )
        for number, row in zip(numbers, rows, strict=True)
    ]


def pairs(numbers: Sequence[int], rows: Iterable[Any], room: Room) -> dict[int, list[KeyValue]]:
    found: dict[int, list[KeyValue]] = {number: [] for number in numbers}
    left = room.bytes_left
    for number, key, value in rows:
        left -= PART_BYTES + len(key) + len(value)
        if left < 0:
            raise PageFull
        found[number].append(KeyValue(key, value))
    room.bytes_left = left
    return found


def models(
    db: Database, among: str, numbers: Sequence[int], room: Room
) -> tuple[dict[int, list[ModelInputRow]], dict[int, list[ModelOutputRow]]]:
    inputs: dict[int, list[ModelInputRow]] = {}
    outputs: dict[int, list[ModelOutputRow]] = {}
    for number, output, model_id, step in db.execute(f"SELECT * FROM run_models {among}", numbers):
        room.take(PART_BYTES + len(model_id))
        if output:
            outputs.setdefault(number, []).append(ModelOutputRow(model_id, step))
        else:
            inputs.setdefault(number, []).append(ModelInputRow(model_id))
    return inputs, outputs


def dataset_inputs(db: Database, among: str, numbers: Sequence[int], room: Room) -> dict[int, list[DatasetInputRow]]:
    found: dict[int, list[DatasetInputRow]] = {}
    for number, blob in db.execute(f"SELECT run, dataset FROM run_datasets {among} ORDER BY rowid", numbers):
        room.take(len(blob))
        one = msgspec.json.decode(blob, type=Dataset)
        row = DatasetRow(one.name, one.digest, one.source_type, one.source, one.schema, one.profile)
        tags = [KeyValue(key, value) for key, value in one.tags.items()]
        found.setdefault(number, []).append(DatasetInputRow(row, tags))
    return found


def dataset_summaries(db: Database, experiments: Sequence[int]) -> list[DatasetSummary]:
    """Each data set that runs of these experiments used, once for each way they used it."""
    columns = "experiment, name, digest, context"
    sql = f"SELECT DISTINCT {columns} FROM run_datasets WHERE experiment IN ({marks(experiments)})"
    found = db.execute(f"{sql} ORDER BY {columns} LIMIT ?", [*experiments, SUMMARIES_MAX])
    return [DatasetSummary(str(experiment), name, digest, context) for experiment, name, digest, context in found]
