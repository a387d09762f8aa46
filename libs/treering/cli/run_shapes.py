"""Runs of MLflow's API in one flat shape for people and scripts: names to values, times in ISO 8601."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from treering.cli.shapes import Shape

if TYPE_CHECKING:
    from treering.client.http import Client

API = "/api/2.0/mlflow"
HIDDEN_TAGS = "mlflow."  # what clients note for themselves


# The columns of CSV; metrics, params and tags are JSON, or the columns would depend on the runs.
RUN = (
    "run_id", "name", "status", "experiment", "user", "started_at", "ended_at", "run_seconds", "deleted",
    "artifact_uri", "metrics", "params", "tags",
)  # fmt: skip


def shape(run: Shape, experiments: dict[str, str]) -> Shape:
    info, data = run["info"], run.get("data", {})
    began, ended = info.get("start_time"), info.get("end_time")
    return {
        "run_id": info["run_id"],
        "name": info.get("run_name", ""),
        "status": info["status"],
        "experiment": experiments.get(info["experiment_id"], info["experiment_id"]),
        "user": info.get("user_id", ""),
        "started_at": iso(began),
        "ended_at": iso(ended),
        "run_seconds": (ended - began) / 1000 if began and ended else None,
        "deleted": info.get("lifecycle_stage") == "deleted",
        "artifact_uri": info.get("artifact_uri", ""),
        "metrics": {one["key"]: number(one.get("value", 0.0)) for one in data.get("metrics", [])},
        "params": pairs(data.get("params", [])),
        "tags": pairs(data.get("tags", [])),
    }


def pairs(items: Iterable[Shape]) -> dict[str, str]:
    return {one["key"]: one.get("value", "") for one in items}


def own_tags(tags: dict[str, str]) -> dict[str, str]:
    """Those that people set."""
    return {key: value for key, value in tags.items() if not key.startswith(HIDDEN_TAGS)}


def number(value: Any) -> float | str:
    """NaN and the infinities have no form in JSON, so they are words here too."""
    found = float(value)
    return found if math.isfinite(found) else str(found)


def iso(milliseconds: int | None) -> str:
    if not milliseconds:
        return ""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")


def experiment_names(client: Client) -> dict[str, str]:
    """Names of experiments by the number MLflow gives them."""
    found: dict[str, str] = {}
    body: dict[str, Any] = {"max_results": 1000, "view_type": "ALL"}
    while True:
        answer = client.post(f"{API}/experiments/search", body)
        found.update((one["experiment_id"], one["name"]) for one in answer.get("experiments", []))
        if not answer.get("next_page_token"):
            return found
        body["page_token"] = answer["next_page_token"]


def one_run(client: Client, run_id: str) -> Shape:
    found: Shape = client.get(f"{API}/runs/get", run_id=run_id)["run"]
    return found
