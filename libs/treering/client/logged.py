"""Brings here what the script of a job logged with MLflow: artifacts of its run, and its logged models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from treering.adapters.tree_walk import Bounds
from treering.client.artifacts import ARTIFACTS, download_artifacts, file_into, root_of, walked
from treering.client.download import Downloaded, make_folder
from treering.client.errors import ApiError
from treering.client.http import Client
from treering.client.urls import query, segment
from treering.kernel.refusal import Refused
from treering.kernel.safe_path import SafePath

STORED_BY_NODE = ("named-outputs", "user_logs")  # nothing else can be there
LOGGED_MODELS_MAX = 1000
API = "/api/2.0/mlflow"


class Logged(NamedTuple):
    """What came, and a sentence for each thing that did not."""

    done: Downloaded
    left_out: Sequence[str] = ()


def download_logged(client: Client, run_id: str, folder: Path) -> Logged:
    """Lay out below ``folder`` what the run logged, each logged model in a folder of its name; files that are there
    already stay: the node stored them when the job ended, and MLflow's clients see them too.

    Raises as ``download_artifacts`` does.
    """
    try:
        run = client.get(f"{API}/runs/get", run_id=run_id)["run"]
    except ApiError as error:
        if error.status != 404:
            raise
        return Logged(Downloaded(0, 0))  # a job that never came to have a run
    done, left_out = artifacts_of(client, run_id, folder)
    ids = [one["model_id"] for one in run.get("outputs", {}).get("model_outputs", ())]
    models, missing = models_of(client, ids[:LOGGED_MODELS_MAX])
    for model, name in zip(models, names(models, folder), strict=True):
        brought, why = brought_from(client, model["artifact_uri"], SafePath.parse(name).under(folder))
        done = Downloaded(done.files + brought.files, done.size_bytes + brought.size_bytes)
        left_out = [*left_out, *why]
    more = [f"{len(ids) - LOGGED_MODELS_MAX} more logged models"] if len(ids) > LOGGED_MODELS_MAX else []
    return Logged(done, [*left_out, *missing, *more])


def artifacts_of(client: Client, run_id: str, folder: Path) -> Logged:
    try:
        root = root_of(client, f"runs:/{run_id}")
    except Refused as refused:
        return Logged(Downloaded(0, 0), [f"what was logged with MLflow: {refused.detail}"])
    files, size_bytes = 0, 0
    for path in paths(client, root, Bounds(f"what the run {run_id} logged")):
        target = SafePath.parse(path).under(folder)
        if path.endswith("/"):
            make_folder(target)
        elif not target.exists():
            size_bytes += file_into(client, f"{root}/{path}", target)
            files += 1
    return Logged(Downloaded(files, size_bytes))


def paths(client: Client, root: str, bounds: Bounds) -> Iterator[str]:
    """As ``walked`` tells them, without what only the node stores."""
    for one in client.get(ARTIFACTS + query({"path": root})).get("files", []):
        bounds.meet()
        name = one["path"].rpartition("/")[2]
        if name in STORED_BY_NODE:
            continue
        if one.get("is_dir"):
            yield from walked(client, root, name, bounds, 1)
        else:
            yield name


def models_of(client: Client, ids: Sequence[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """The logged models there are, the newest first, and a sentence for each that was deleted."""
    found, missing = [], []
    for model_id in dict.fromkeys(ids):
        try:
            found.append(client.get(f"{API}/logged-models/{segment(model_id)}")["model"]["info"])
        except ApiError as error:
            if error.status != 404:
                raise
            missing.append(f"the logged model {model_id}, which was deleted")
    return sorted(found, key=lambda one: one["creation_timestamp_ms"], reverse=True), missing


def names(models: Sequence[dict[str, Any]], folder: Path) -> Iterator[str]:
    """Where each stands: the newest of a name has it to itself, as for ``runs:/RUN/NAME``."""
    taken = set[str]()
    for model in models:
        name = model["name"]
        if name in taken or (folder / name).is_file():
            name = f"{name}-{model['model_id']}"
        taken.add(name)
        yield name


def brought_from(client: Client, uri: str, folder: Path) -> Logged:
    try:
        return Logged(download_artifacts(client, uri, folder))
    except Refused as refused:
        if refused.code != "model.path":
            raise
        return Logged(Downloaded(0, 0), [f"a logged model: {refused.detail}"])
