"""A run: what one execution of a training script logged, in MLflow's terms.

    (absent) --created--> RUNNING --updated--> FINISHED, FAILED, KILLED (or any other: the script says which)
    any of them --deleted--> deleted --restored--> as it was

Nothing is logged to a deleted run. A parameter is written once; tags are overwritten. Metric points are not
events of the run: they go to a stream of their own (kernel/points.py). The run of a job has the job's name.
"""

from __future__ import annotations

from typing import Literal, assert_never

import msgspec
from msgspec import Struct

from treering.domain.artifact_messages import (
    DeleteArtifact,
    LastArtifact,
    LogArtifact,
    checked_deletion,
    checked_log,
    said,
)
from treering.domain.run_messages import (
    CreateRun,
    Dataset,
    DeleteRun,
    DeleteRunTag,
    LogRunInputs,
    LogRunOutputs,
    LogToRun,
    ModelOutput,
    RestoreRun,
    RunArtifactDeleted,
    RunArtifactLogged,
    RunCommand,
    RunCreated,
    RunDeleted,
    RunEvent,
    RunInputsLogged,
    RunOutputsLogged,
    RunParamsLogged,
    RunRestored,
    RunStatus,
    RunTagDeleted,
    RunTagsSet,
    RunUpdated,
    UpdateRun,
)
from treering.kernel.aggregate import Aggregate, Summary
from treering.kernel.gathered import check_gathered
from treering.kernel.refusal import Refused

NAME_TAG = "mlflow.runName"  # MLflow keeps a run's name as a tag too, and the two never differ
SHOWN_CHARACTERS_MAX = 250
DATASETS_MAX = 1000  # of one run, as of one request


class Run(Struct, frozen=True, omit_defaults=True):
    """``datasets`` are the (name, digest) pairs of the inputs; what they are in full is in the events."""

    status: RunStatus | Literal["absent"] = "absent"
    experiment: str = ""
    name: str = ""
    user: str = ""
    start_time: int = 0
    end_time: int | None = None
    of_job: bool = False
    deleted: bool = False
    params: dict[str, str] = {}
    tags: dict[str, str] = {}
    datasets: list[tuple[str, str]] = []
    model_inputs: list[str] = []
    model_outputs: list[ModelOutput] = []
    artifact: LastArtifact | None = None


def evolve(run: Run, event: RunEvent) -> Run:
    change = msgspec.structs.replace
    match event:
        case RunCreated():
            tags = {**event.tags, NAME_TAG: event.name} if event.name else event.tags
            return Run(
                "RUNNING", event.experiment, event.name, event.user, event.start_time, of_job=event.of_job, tags=tags
            )
        case RunParamsLogged():
            return change(run, params={**run.params, **event.params})
        case RunTagsSet():
            return change(run, tags={**run.tags, **event.tags}, name=event.tags.get(NAME_TAG, run.name))
        case RunTagDeleted():
            return change(run, tags={key: value for key, value in run.tags.items() if key != event.key})
        case RunUpdated():
            return updated(run, event)
        case RunDeleted():
            return change(run, deleted=True)
        case RunRestored():
            return change(run, deleted=False)
        case RunInputsLogged():
            pairs = [(dataset.name, dataset.digest) for dataset in event.datasets]
            return change(run, datasets=[*run.datasets, *pairs], model_inputs=[*run.model_inputs, *event.models])
        case RunOutputsLogged():
            return change(run, model_outputs=[*run.model_outputs, *event.models])
        case RunArtifactLogged() | RunArtifactDeleted():
            return change(run, artifact=said(event))
        case _:
            assert_never(event)


def updated(run: Run, event: RunUpdated) -> Run:
    return msgspec.structs.replace(
        run,
        status=event.status or run.status,
        end_time=run.end_time if event.end_time is None else event.end_time,
        name=event.name or run.name,
        tags={**run.tags, NAME_TAG: event.name} if event.name else run.tags,
    )


def decide(run: Run, command: RunCommand) -> list[RunEvent]:
    match command:
        case CreateRun():
            return create(run, command)
        case LogToRun():
            return log(run, command)
        case DeleteRunTag():
            must_be_active(run)
            return [RunTagDeleted(command.key)] if command.key in run.tags else []
        case UpdateRun():
            must_be_active(run)
            event = RunUpdated(command.status, command.end_time, command.name)
            return [event] if updated(run, event) != run else []
        case DeleteRun():
            must_exist(run)
            return [] if run.deleted else [RunDeleted()]
        case RestoreRun():
            must_exist(run)
            return [RunRestored()] if run.deleted else []
        case LogRunInputs():
            return log_inputs(run, command)
        case LogRunOutputs():
            must_be_active(run)
            new = [model for model in dict.fromkeys(command.models) if model not in run.model_outputs]
            return [RunOutputsLogged(new)] if new else []
        case LogArtifact():
            must_exist(run)
            new_file = checked_log(command, run.artifact)
            return [RunArtifactLogged(command.path, command.digest, command.size_bytes)] if new_file else []
        case DeleteArtifact():
            must_exist(run)
            return [RunArtifactDeleted(command.path)] if checked_deletion(command, run.artifact) else []
        case _:
            assert_never(command)


def create(run: Run, command: CreateRun) -> list[RunEvent]:
    if run.status == "absent":
        return [
            RunCreated(command.experiment, command.name, command.user, command.start_time, command.tags, command.of_job)
        ]
    if (run.experiment, run.of_job, run.start_time) == (command.experiment, command.of_job, command.start_time):
        return []
    raise Refused("run.exists", "a run of this id exists already")


def log(run: Run, command: LogToRun) -> list[RunEvent]:
    must_be_active(run)
    changed = {key: value for key, value in command.params.items() if run.params.get(key, value) != value}
    if changed:
        raise Refused("run.param_changed", f"Changing param values is not allowed. {as_they_are(run, changed)}")
    events: list[RunEvent] = []
    params = {key: value for key, value in command.params.items() if key not in run.params}
    if params:
        check_gathered("parameters", run.params, params)
        events.append(RunParamsLogged(params))
    tags = {key: value for key, value in command.tags.items() if run.tags.get(key) != value}
    if tags:
        check_gathered("tags", run.tags, tags)
        events.append(RunTagsSet(tags))
    return events


def as_they_are(run: Run, changed: dict[str, str]) -> str:
    """Which parameters have which values already, shortened to what a message may be."""
    pairs = [
        (key, run.params[key][:SHOWN_CHARACTERS_MAX], value[:SHOWN_CHARACTERS_MAX]) for key, value in changed.items()
    ]
    if len(pairs) == 1:
        key, old, new = pairs[0]
        return f"Param with key='{key}' was already logged with value='{old}', and not with '{new}',"
    shown = [{"key": key, "old_value": old, "new_value": new} for key, old, new in pairs]
    return f"Params were already logged='{shown}'"


def log_inputs(run: Run, command: LogRunInputs) -> list[RunEvent]:
    """Of a data set named twice with the same digest the first is kept, as MLflow does."""
    must_be_active(run)
    new: dict[tuple[str, str], Dataset] = {}
    for dataset in command.datasets:
        pair = (dataset.name, dataset.digest)
        if pair not in run.datasets:
            new.setdefault(pair, dataset)
    if len(run.datasets) + len(new) > DATASETS_MAX:
        raise Refused("request.too_many_parts", f"a run keeps at most {DATASETS_MAX} data sets, and this would be more")
    models = [model for model in dict.fromkeys(command.models) if model not in run.model_inputs]
    return [RunInputsLogged(list(new.values()), models)] if new or models else []


def must_exist(run: Run) -> None:
    if run.status == "absent":
        raise Refused("run.absent", "there is no run of this id")


def must_be_active(run: Run) -> None:
    must_exist(run)
    if run.deleted:
        raise Refused("run.deleted", "the run must be in the 'active' state. Current state is deleted.")


def summary(run: Run) -> Summary:
    return Summary(run.status, run.experiment, run.tags, run.deleted)


RUN: Aggregate[RunCommand, RunEvent, Run] = Aggregate(
    "run",
    state=Run,
    commands=RunCommand,
    events=RunEvent,
    decide=decide,
    evolve=evolve,
    summary=summary,
    told={
        "run.inputs_logged": (
            "datasets.name",
            "datasets.digest",
            "datasets.source_type",
            "datasets.tags",
            "models",
        )
    },
)
