"""A page of any list is bounded in bytes: what one client makes large does not make another's answer large."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, get_type_hints

import pytest
from tests.services.gateway_example import WS, Api, running_gateway
from tests.services.job_rights_example import M, done

from treering.kernel import pages
from treering.testing.nats import RunningNats
from treering_services.gateway.route import Route
from treering_services.gateway.routes import ROUTES

pytestmark = pytest.mark.anyio
COUNT = 4
FAT = "x" * 2000
BOUND = 5000  # room for one or two rows with a fat tag, and for about fifty points
# Handlers whose answers come in one message of NATS, and so have at most 1 MiB.
RELAYED = {
    "audit", "audit_access", "audit_ask", "dead_letters", "story", "workspace_diff",
    "list_hooks",  # at most PAGE_MAX, of a few texts each
    "latest_versions",  # one for each of four stages
}  # fmt: skip
# Handlers that answer with a list and without pages, and what bounds it.
ONE = "what one resource or one description has"
SHORT = {
    "show_resource": ONE, "show_workspace": ONE, "model_by_label": ONE, "model_lineage": ONE, "diff": "FIELDS_MAX",
    "readyz": ONE, "checkpoint": ONE, "audit_views": ONE, "audit_questions": ONE, "status": "the nodes that may join",
    "audit_count": "ROWS_MAX", "durations": "ROWS_MAX", "usage": "ROWS_MAX", "stuck": "ROWS_MAX",
    "lifecycle": "INTERVALS_MAX", "lifecycle_summary": "the statuses of a kind", "latest_versions": "four stages",
    "landing": "three commands", "list_artifacts": "the files of a tree", "list_model_artifacts": "the files of a tree",
}  # fmt: skip
STREAMS = {"job_logs": "the console of a job"}


@pytest.fixture
async def api(nats_server: RunningNats, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    async with running_gateway(nats_server) as running:
        monkeypatch.setattr(pages, "PAGE_BYTES_MAX", BOUND)
        yield running


async def fat_things(api: Api) -> tuple[str, str]:
    """So many of everything, each with a large tag; the ids of the first experiment and of its first run, with a metric
    of many points."""
    fat = {"tags": [{"key": "t", "value": FAT}]}
    run_id = experiment = ""
    for number in range(COUNT):
        await api.ask("POST", f"/v1/workspaces/v{number}/create", {"description": FAT})
        name = f"fat{number}"
        made = await done(api, None, "POST", f"{M}/experiments/create", {"name": name, **fat})
        experiment = experiment or made["experiment_id"]
        asked = {"experiment_id": experiment, "start_time": number, **fat}
        run = (await done(api, None, "POST", f"{M}/runs/create", asked))["run"]["info"]["run_id"]
        run_id = run_id or run
        await done(api, None, "POST", f"{M}/logged-models", {"experiment_id": experiment, "name": name, **fat})
        await done(api, None, "POST", f"{M}/registered-models/create", {"name": name, **fat})
        version = {"name": "fat0", "source": f"runs:/{run_id}/m", "run_id": run_id, **fat}
        await done(api, None, "POST", f"{M}/model-versions/create", version)
    points = [{"key": "loss", "value": step, "timestamp": step, "step": step} for step in range(200)]
    await done(api, None, "POST", f"{M}/runs/log-batch", {"run_id": run_id, "metrics": points})
    return experiment, run_id


def cases(experiment: str, run: str) -> dict[str, tuple[str, str, Any, str, int]]:
    """For each paged handler: a request, the field of its rows, and how many rows there are in all (at least)."""
    return {
        "search_runs": ("POST", f"{M}/runs/search", {"experiment_ids": [experiment]}, "runs", COUNT),
        "search_experiments": ("POST", f"{M}/experiments/search", {"max_results": 100}, "experiments", COUNT),
        "search_models": ("POST", f"{M}/logged-models/search", {"experiment_ids": [experiment]}, "models", COUNT),
        "registry_search_models": ("GET", f"{M}/registered-models/search?", None, "registered_models", COUNT),
        "search_versions": ("GET", f"{M}/model-versions/search?", None, "model_versions", COUNT),
        "get_history": ("GET", f"{M}/metrics/get-history?run_id={run}&metric_key=loss&", None, "metrics", 200),
        "list_workspaces": ("GET", "/v1/workspaces?", None, "items", COUNT),
        "list_resources": ("GET", f"{WS}/runs?", None, "items", COUNT),
        "models_of_run": ("GET", f"{WS}/runs/{run}/models?", None, "items", COUNT),
    }


def handler_of(line: Route) -> str:
    module = line.handler.__module__.rpartition(".")[2]
    name = line.handler.__name__
    return "registry_search_models" if (module, name) == ("registry_search", "search_models") else name


def test_every_list_that_has_pages_has_an_example_here() -> None:
    tokens = {"next", "next_page_token"}
    by_answer = {handler_of(line) for line in ROUTES if tokens & set(getattr(line.response, "__struct_fields__", ()))}
    by_path = {handler_of(line) for line in ROUTES if line.path.endswith(("/search", "/get-history"))}
    assert by_answer | by_path <= set(cases("1", "r")) | RELAYED


def answers_a_list(line: Route) -> bool:
    hints = get_type_hints(line.response) if hasattr(line.response, "__struct_fields__") else {}
    return line.only_reads and any("list[" in str(hint) or "dict[" in str(hint) for hint in hints.values())


def test_a_list_of_any_route_comes_in_pages_or_has_a_bound_that_is_named_here() -> None:
    sizes = {"limit", "max_results", "page", "page_token"}
    several = [line for line in ROUTES if answers_a_list(line) or line.or_media_type]
    asked = {handler_of(line): set(getattr(line.query or line.request, "__struct_fields__", ())) for line in several}
    assert {handler for handler, fields in asked.items() if not fields & sizes} == set(SHORT) | set(STREAMS)
    assert "stream_events" in asked


async def test_every_list_ends_its_pages_early_and_tells_all(api: Api) -> None:
    # Given rows that are fat, or many,
    experiment, run = await fat_things(api)
    # when each list is followed by its tokens to its end,
    for handler, (method, path, body, field, wanted) in cases(experiment, run).items():
        token, rows, pages_ = "", list[Any](), 0
        while True:
            place = path
            if token and body is None:
                place = f"{path}{'page_token' if path.startswith(M) else 'page'}={token}"
            asked = {**body, "page_token": token} if body and token else body
            reply = await api.ask(method, place, asked)
            assert reply.status == 200, (handler, reply.body)
            # then no page is much larger than the bound, whatever its rows are,
            assert len(reply.body) < 3 * BOUND, (handler, len(reply.body))
            rows += reply.json.get(field, [])
            pages_ += 1
            token = str(reply.json.get("next_page_token") or reply.json.get("next") or "").replace("=", "%3D")
            token = token.replace("%3D", "=") if body else token
            if not token:
                break
        # and together they are all rows, each once.
        assert len(rows) >= wanted and pages_ > 1, (handler, len(rows), pages_)
        assert len({str(row) for row in rows}) == len(rows), handler


async def test_samples_of_many_histories_share_a_page(api: Api) -> None:
    _, run = await fat_things(api)
    asked = f"run_ids={run}&metric_key=loss&max_results=200"
    found = await done(api, None, "GET", f"/w/w/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval?{asked}")
    steps = [one["step"] for one in found["metrics"]]
    assert len(steps) < 200 and (steps[0], steps[-1]) == (0, 199)
