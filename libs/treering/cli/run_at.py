"""``run list --at``: runs as their events left them at a moment. Points of metrics are no events, so there are none."""

from __future__ import annotations

from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from treering.cli.notes import first
from treering.cli.run_shapes import iso
from treering.cli.session import Session
from treering.cli.shapes import TERMINAL, Shape
from treering.cli.times import between_seconds
from treering.domain.experiment import experiment_key

if TYPE_CHECKING:
    from treering.client.http import Client

# What a status of a job is in MLflow's words.
STATUSES = {
    "Queued": "SCHEDULED", "Preparing": "SCHEDULED", "Running": "RUNNING", "Finalizing": "RUNNING",
    "CancelRequested": "RUNNING", "Completed": "FINISHED", "Failed": "FAILED", "Canceled": "KILLED",
}  # fmt: skip
ARCHIVED = {"DELETED_ONLY": "true", "ALL": "any"}  # a deleted run is an archived resource


def runs_at(
    session: Session, client: Client, at: str, names: tuple[str, ...], view: str | None, runs_max: int
) -> list[Shape]:
    """Runs as they were ``at`` a position or time, the newest first; the run of a job is there when the job is."""
    archived = ARCHIVED.get(view or "", "false")
    parents = [experiment_key(name) for name in names] or [""]

    def listed(kind: str, archived: str) -> list[Shape]:
        each = [
            session.listed(client, session.path(kind), runs_max + 1, at=at, parent=parent, archived=archived)
            for parent in parents
        ]
        return [*chain(*each)]

    runs = {one["name"]: of_run(one) for one in listed("run", archived)}
    gone = {one["name"] for one in listed("run", "true")} if archived == "false" else set[str]()
    jobs = [] if archived == "true" else listed("job", "any")
    found = {one["name"]: of_job(one) for one in jobs if one["name"] not in gone}
    for name, run in runs.items():
        before = found.get(name)
        found[name] = {**run, **times_and_status(before)} if before else run
    return first(sorted(found.values(), key=lambda run: run["started_at"], reverse=True), runs_max)


def times_and_status(run: Shape) -> Shape:
    """Of the run of a job these are the job's."""
    return {name: run[name] for name in ("status", "started_at", "ended_at", "run_seconds")}


def of_run(resource: Shape) -> Shape:
    state = resource["state"]
    began, ended = state.get("start_time"), state.get("end_time")
    return {
        "run_id": resource["name"],
        "name": state.get("name", ""),
        "status": resource["status"],
        "experiment": resource.get("parent", ""),
        "user": state.get("user", ""),
        "started_at": iso(began),
        "ended_at": iso(ended),
        "run_seconds": (ended - began) / 1000 if began and ended else None,
        "deleted": resource.get("archived", False),
        "params": state.get("params", {}),
        "tags": state.get("tags", {}),
    }


def of_job(resource: Shape) -> Shape:
    spec: dict[str, Any] = resource["state"].get("spec") or {}
    ended = next((since for status, since in resource["timeline"] if status in TERMINAL), "")
    values = {name: given["value"] for name, given in spec.get("inputs", {}).items() if "value" in given}
    return {
        "run_id": resource["name"],
        "name": spec.get("display_name") or resource["name"],
        "status": STATUSES[resource["status"]],
        "experiment": resource.get("parent", ""),
        "user": resource["created_by"],
        "started_at": in_milliseconds(resource["created_at"]),
        "ended_at": in_milliseconds(ended),
        "run_seconds": between_seconds(resource["created_at"], ended),
        "deleted": False,
        "params": {
            name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in values.items()
        },
        "tags": spec.get("tags", {}),
    }


def in_milliseconds(text: str) -> str:
    return datetime.fromisoformat(text).isoformat(timespec="milliseconds") if text else ""
