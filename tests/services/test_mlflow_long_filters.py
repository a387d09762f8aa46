"""Searches as programs write them: thousands of ids in a list, nothing to search in, a filter of blanks."""

from __future__ import annotations

from typing import Any

import pytest
from tests.services.gateway_example import Api
from tests.services.mlflow_example import Mlflow

pytestmark = pytest.mark.anyio
MANY = 25_000


@pytest.fixture(scope="module")
async def mlflow(shared_api: Api) -> Mlflow:
    return Mlflow(shared_api)


def listed(of: str, *, name: str = "run_id", how: str = "IN") -> str:
    """A filter of thousands of ids, one of which is there; 36 characters each."""
    return f"{name} {how} ({','.join([repr(f'{number:032x}') for number in range(MANY - 1)] + [repr(of)])})"


@pytest.mark.parametrize(("name", "how", "count"), [("run_id", "IN", 1), ("attributes.run_id", "NOT IN", 1)])
async def test_runs_are_found_by_thousands_of_ids(mlflow: Mlflow, name: str, how: str, count: int) -> None:
    experiment = await mlflow.experiment(f"many {how}")
    runs = [await mlflow.run(experiment) for _ in range(2)]
    filter = listed(runs[0], name=name, how=how)
    found = await mlflow.done("runs/search", experiment_ids=[experiment], filter=filter)
    assert [run["info"]["run_id"] for run in found["runs"]] == [runs[0] if how == "IN" else runs[1]]


async def test_logged_models_are_found_by_thousands_of_ids_page_by_page(mlflow: Mlflow) -> None:
    experiment = await mlflow.experiment("many models")
    run = await mlflow.run(experiment)
    for name in ("a", "b"):
        await mlflow.done("logged-models", experiment_id=experiment, name=name, source_run_id=run)
    ids = [str(number) for number in range(3000)]
    asked: dict[str, Any] = {"experiment_ids": [experiment, *ids], "filter": listed(run, name="source_run_id")}
    first = await mlflow.done("logged-models/search", max_results=1, **asked)
    rest = await mlflow.done("logged-models/search", page_token=first["next_page_token"], **asked)
    assert len(first["models"]) == len(rest["models"]) == 1


async def test_versions_are_found_by_a_thousand_ids_in_a_query_string(mlflow: Mlflow) -> None:
    await mlflow.done("registered-models/create", name="asked")
    run = await mlflow.run()
    await mlflow.done("model-versions/create", name="asked", source="s3://b/x", run_id=run)
    ids = ",".join([repr(f"{number:032x}") for number in range(1000)] + [repr(run)])
    found = (await mlflow.get("model-versions/search", filter=f"run_id IN ({ids})")).json["model_versions"]
    assert [one["name"] for one in found] == ["asked"]


async def test_a_list_beyond_the_bound_is_refused(mlflow: Mlflow) -> None:
    filter = f"run_id IN ({','.join(['1'.join(chr(39) * 2)] * (MANY + 1))})"
    refused = await mlflow.post("runs/search", experiment_ids=["0"], filter=filter)
    assert (refused.status, f"at most {MANY} items" in refused.json["message"]) == (400, True)


@pytest.mark.parametrize("blanks", [" ", "\n\t "])
async def test_a_filter_of_blanks_is_refused_by_every_search(mlflow: Mlflow, blanks: str) -> None:
    asked: dict[str, Any] = {"filter": blanks, "max_results": 5}
    for path in ("runs/search", "experiments/search", "logged-models/search"):
        refused = await mlflow.post(path, experiment_ids=["0"], **asked)
        assert (refused.status, "Could not be parsed" in refused.json["message"]) == (400, True), path
    for path in ("registered-models/search", "model-versions/search"):
        assert (await mlflow.get(path, **asked)).status == 400, path


async def test_logged_models_of_no_experiment_are_none_and_a_blank_id_is_no_experiment(mlflow: Mlflow) -> None:
    assert await mlflow.done("logged-models/search", experiment_ids=[]) == {}
    assert await mlflow.done("logged-models/search") == {}
    for path in ("runs/search", "logged-models/search"):
        assert (await mlflow.post(path, experiment_ids=[" "])).status == 400
