"""Runs in the shape of MLflow's API, one or many at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from treering.adapters.sqlite_view import Database
from treering.domain.run_messages import Dataset
from treering.views.tracking.experiments import MARKS_MAX, STAGES, KeyValue

SUMMARIES_MAX = 1000
RUNS = "SELECT runs.*, artifact_location FROM runs JOIN experiments ON experiments.id = runs.experiment"


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
    name: str
    digest: str
    source_type: str
    source: str
    schema: str = ""
    profile: str = ""


class DatasetInputRow(Struct, frozen=True, omit_defaults=True):
    dataset: DatasetRow
    tags: list[KeyValue] = []


class DatasetSummary(Struct, frozen=True, omit_defaults=True):
    experiment_id: str
    name: str
    digest: str
    context: str | None = None


class ModelInputRow(Struct, frozen=True):
    model_id: str


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


def run_head(db: Database, workspace: str, run_id: str) -> RunHead | None:
    row = db.execute(
        "SELECT number, experiment, start_time, lifecycle, logged, created_by, name FROM runs"
        " WHERE workspace = ? AND run_id = ?",
        (workspace, run_id),
    ).fetchone()
    return None if row is None else RunHead(*row)


def run(db: Database, workspace: str, run_id: str) -> RunRow | None:
    row = db.execute(f"{RUNS} WHERE runs.workspace = ? AND run_id = ?", (workspace, run_id)).fetchone()
    return None if row is None else full(db, [row])[0]


def run_info(db: Database, workspace: str, run_id: str) -> RunInfo | None:
    row = db.execute(f"{RUNS} WHERE runs.workspace = ? AND run_id = ?", (workspace, run_id)).fetchone()
    return None if row is None else info(row)


def runs_of(db: Database, numbers: Sequence[int]) -> list[RunRow]:
    """The runs with these numbers, in their order."""
    found: dict[int, RunRow] = {}
    for start in range(0, len(numbers), MARKS_MAX):
        some = numbers[start : start + MARKS_MAX]
        rows = db.execute(f"{RUNS} WHERE number IN ({marks(some)})", some).fetchall()
        found.update(zip((row["number"] for row in rows), full(db, rows), strict=True))
    return [found[number] for number in numbers]


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


def full(db: Database, rows: Sequence[Any]) -> list[RunRow]:
    """At most ``MARKS_MAX`` runs with all that belongs to them: five statements, however many they are."""
    numbers = [row["number"] for row in rows]
    among = f"WHERE run IN ({marks(numbers)})"
    metrics: dict[int, list[MetricRow]] = {number: [] for number in numbers}
    for number, key, value, timestamp, step in db.execute(
        f"SELECT run, key, value, timestamp, step FROM latest_metrics {among}", numbers
    ):
        metrics[number].append(MetricRow(key, "NaN" if value is None else value, timestamp, step))
    params = pairs(numbers, db.execute(f"SELECT run, key, value FROM run_params {among}", numbers))
    tags = pairs(numbers, db.execute(f"SELECT run, key, value FROM run_tags {among}", numbers))
    inputs, outputs = models(db, among, numbers)
    datasets = dataset_inputs(db, among, numbers)
    return [
        RunRow(
            info(row),
            RunData(metrics[number], params[number], tags[number]),
            RunInputs(inputs.get(number, []), datasets.get(number, [])),
            RunOutputs(outputs[number]) if number in outputs else None,
        )
        for number, row in zip(numbers, rows, strict=True)
    ]


def pairs(numbers: Sequence[int], rows: Iterable[Any]) -> dict[int, list[KeyValue]]:
    found: dict[int, list[KeyValue]] = {number: [] for number in numbers}
    for number, key, value in rows:
        found[number].append(KeyValue(key, value))
    return found


def models(
    db: Database, among: str, numbers: Sequence[int]
) -> tuple[dict[int, list[ModelInputRow]], dict[int, list[ModelOutputRow]]]:
    inputs: dict[int, list[ModelInputRow]] = {}
    outputs: dict[int, list[ModelOutputRow]] = {}
    for number, output, model_id, step in db.execute(f"SELECT * FROM run_models {among}", numbers):
        if output:
            outputs.setdefault(number, []).append(ModelOutputRow(model_id, step))
        else:
            inputs.setdefault(number, []).append(ModelInputRow(model_id))
    return inputs, outputs


def dataset_inputs(db: Database, among: str, numbers: Sequence[int]) -> dict[int, list[DatasetInputRow]]:
    found: dict[int, list[DatasetInputRow]] = {}
    for number, blob in db.execute(f"SELECT run, dataset FROM run_datasets {among} ORDER BY rowid", numbers):
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
