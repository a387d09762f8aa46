"""Commands and reads over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from tests.services.gateway_example import SPEC, WS, Api, running_gateway

from treering.domain.experiment import experiment_key
from treering.domain.experiment_messages import CreateExperiment
from treering.kernel.subjects import Address
from treering.testing.nats import RunningNats
from treering_services.gateway import relays
from treering_services.gateway.policy import NODE
from treering_services.gateway.routes import ROUTES

pytestmark = pytest.mark.anyio


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    async with running_gateway(nats_server) as running:
        yield running


async def test_a_reader_who_names_the_position_sees_what_was_just_written(api: Api) -> None:
    written = await api.ask("POST", f"{WS}/experiments/mnist/create", {"display_name": "MNIST"})
    seen = await api.ask("GET", f"{WS}/experiments/mnist?after={written.json['position']}")
    assert written.status == 201 and written.json["name"] == "mnist" and written.json["version"] == 1
    assert written.headers["treering-position"] == str(written.json["position"])
    assert seen.json["state"] == {"status": "active", "display_name": "MNIST"}


async def test_a_command_that_changes_nothing_is_a_success_that_says_so(api: Api) -> None:
    first = await api.ask("POST", f"{WS}/experiments/e/create")
    again = await api.ask("POST", f"{WS}/experiments/e/create", {})
    assert (first.status, again.status) == (201, 200)
    assert not again.json["changed"] and again.json["position"] == first.json["position"]


async def test_an_idempotency_key_makes_a_retry_safe(api: Api) -> None:
    key = {"idempotency-key": "retry-1"}
    await api.ask("POST", f"{WS}/experiments/e/create", {"description": "a"})
    first = await api.ask("POST", f"{WS}/experiments/e/update", {"description": "b"}, key)
    last = await api.ask("POST", f"{WS}/experiments/e/update", {"description": "c"})
    again = await api.ask("POST", f"{WS}/experiments/e/update", {"description": "b"}, key)
    now = await api.ask("GET", f"{WS}/experiments/e?after={last.json['position']}")
    assert again.json["position"] == first.json["position"] and not again.json["changed"]
    assert now.json["state"]["description"] == "c"


async def test_lists_come_in_pages_newest_first(api: Api) -> None:
    for number in range(5):
        last = await api.ask("POST", f"{WS}/experiments/e{number}/create")
    first = (await api.ask("GET", f"{WS}/experiments?limit=3&after={last.json['position']}")).json
    second = (await api.ask("GET", f"{WS}/experiments?limit=3&page={first['next']}")).json
    assert [one["name"] for one in first["items"] + second["items"]] == ["e4", "e3", "e2", "e1", "e0"]
    assert second["next"] == 0


async def test_workspaces_are_listed_shown_and_commanded_under_their_own_name(api: Api) -> None:
    created = await api.ask("POST", "/v1/workspaces/lab/create", {"description": "ours"})
    listed = await api.ask("GET", f"/v1/workspaces?after={created.json['position']}")
    shown = await api.ask("GET", "/v1/workspaces/lab")
    assert {one["name"] for one in listed.json["items"]} >= {"w", "lab"}
    assert shown.json["state"]["description"] == "ours"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", f"{WS}/experiments/nothing", None, 404, "experiment.absent"),
        ("GET", f"{WS}/dogs", None, 404, "kind.unknown"),
        ("GET", "/v1/nothing/here/at/all/ever", None, 404, "route.unknown"),
        ("DELETE", "/v1/status", None, 405, "route.method"),
        ("POST", f"{WS}/experiments/a/paint", {}, 404, "command.absent"),
        ("POST", f"{WS}/jobs/a/assign", {}, 403, "command.forbidden"),
        ("POST", f"{WS}/jobs/a/submit", {}, 403, "command.forbidden"),
        ("POST", f"{WS}/events/a/publish", {}, 403, "command.forbidden"),
        ("POST", f"{WS}/experiments/a/create", {"colour": "red"}, 400, "request.malformed"),
        ("POST", f"{WS}/environments/a/create", {"spec": {}}, 400, "environment.version_missing"),
        ("POST", "/v1/workspaces/none/experiments/a/create", {}, 404, "workspace.absent"),
        ("POST", f"{WS}/workspaces/other/create", {}, 400, "workspace.name"),
        ("POST", f"{WS}/computes/local/create", {"compute_type": "local", "nodes_max": 7}, 409, "compute.exists"),
        ("GET", f"{WS}/experiments?limit=0", None, 400, "request.query"),
        ("GET", f"{WS}/experiments?colour=red", None, 400, "request.query"),
        ("GET", f"{WS}/experiments/..%2f..%2fetc", None, 404, "route.unknown"),
        ("GET", f"{WS}/experiments/..", None, 400, "name.invalid"),
        ("GET", f"{WS}/experiments/%252e%252e", None, 400, "name.invalid"),
        ("GET", f"{WS}/experiments/a%5c..%5cb", None, 400, "name.invalid"),
        ("GET", f"{WS}/experiments/a%00b", None, 400, "name.invalid"),
        ("GET", "/v1/workspaces/*/experiments/a", None, 400, "name.invalid"),
    ],
)
async def test_every_refusal_is_a_problem_with_a_code(
    shared_api: Api, method: str, path: str, body: object, status: int, code: str
) -> None:
    answer = await shared_api.ask(method, path, body)
    assert (answer.status, answer.code) == (status, code)
    assert set(answer.json) == {"type", "title", "status", "detail", "code"} and answer.json["status"] == status


async def test_a_trace_is_carried_on_into_the_log(api: Api) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    written = await api.ask("POST", f"{WS}/experiments/e/create", {}, {"traceparent": trace})
    events = await api.events(f"/v1/events?since={written.json['position'] - 1}", 1)
    assert written.headers["traceparent"] == trace and trace in events[0]["data"]


async def test_a_position_behind_the_end_of_the_log_is_refused_at_every_read_that_takes_one(api: Api) -> None:
    await api.submitted("j")
    lines = [line for line in ROUTES if "after" in fields_of(line.query)]
    assert len(lines) == 8
    names = {"ws": "w", "kinds": "jobs", "key": "j", "label": "latest"}
    for line in lines:
        if line.handler is relays.audit:  # the monitor's, which does not run here: tests/services/test_unknown_names.py
            continue
        path, token = line.path.format(**names), api.tokens.mint_node("w", "n1") if line.policy is NODE else None
        head = await api.reader.projector.log.head()
        answer = await api.ask(line.method, f"{path}?after={head + 1}", token=token)
        assert (answer.status, answer.code) == (400, "query.beyond_log"), (path, answer.body)
        assert f"position {head + 1}" in answer.json["detail"] and f"last is {head}:" in answer.json["detail"]
        answer = await api.ask(line.method, f"{path}?after={head}", token=token)
        assert answer.status in (200, 403, 404), (path, answer.body)


def fields_of(query: Any) -> tuple[str, ...]:
    return query.__struct_fields__ if query else ()


async def test_a_writer_sees_what_it_wrote_however_far_the_view_is(api: Api) -> None:
    names = [f"e{number}" for number in range(20)]
    written = await asyncio.gather(*(api.ask("POST", f"{WS}/experiments/{name}/create") for name in names))
    paths = [f"{WS}/experiments/{name}?after={one.json['position']}" for name, one in zip(names, written, strict=True)]
    shown = await asyncio.gather(*map(partial(api.ask, "GET"), paths))
    assert [one.json["name"] for one in shown] == names
    # One that another process wrote is not known to this gateway: the log says that it has it.
    other = await api.send_as("gateway", Address("w", "experiment", "other"), CreateExperiment())
    assert (await api.ask("GET", f"{WS}/experiments/other?after={other.position}")).json["name"] == "other"


async def test_no_experiment_takes_the_name_or_the_key_of_another(api: Api) -> None:
    """The key of a name with a space is a digest, which as a name would block it."""
    squatted = experiment_key("my runs")
    create = "/api/2.0/mlflow/experiments/create"
    for path, body, code in [
        (f"{WS}/experiments/{squatted}/create", {}, "experiment.name_reserved"),
        (f"{WS}/jobs", {"name": "j", "spec": {**SPEC, "experiment": squatted}}, "experiment.name_reserved"),
        (f"{WS}/experiments/other/create", {"name": "my runs"}, "experiment.name_invalid"),
        (f"{WS}/experiments/other/rename", {"name": "my runs"}, "command.forbidden"),
        (f"{WS}/experiments/{squatted}/reserve_name", {"experiment": "other"}, "command.forbidden"),
    ]:
        answer = await api.ask("POST", path, body)
        assert answer.code == code, answer.body
    refused = await api.ask("POST", create, {"name": squatted})
    assert refused.status == 400 and "looks like the key" in refused.json["message"]
    assert (await api.ask("POST", create, {"name": "my runs"})).status == 200


async def test_a_read_that_takes_no_fields_in_the_query_string_passes_over_none(api: Api) -> None:
    lines = [line for line in ROUTES if line.method == "GET" and line.path.startswith("/v1/") and line.query is None]
    assert len(lines) > 5
    names = {"ws": "w", "kinds": "jobs", "key": "j", "digest": f"sha256:{'0' * 64}"}
    for line in lines:
        answer = await api.ask("GET", f"{line.path.format(**names)}?at=5")
        assert (answer.status, answer.code) == (400, "request.query"), (line.path, answer.body)
