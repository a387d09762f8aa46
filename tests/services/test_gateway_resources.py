"""Commands and reads over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.services.gateway_example import WS, Api, running_gateway

from treering.testing.nats import RunningNats

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
    api: Api, method: str, path: str, body: object, status: int, code: str
) -> None:
    answer = await api.ask(method, path, body)
    assert (answer.status, answer.code) == (status, code)
    assert set(answer.json) == {"type", "title", "status", "detail", "code"} and answer.json["status"] == status


async def test_a_trace_is_carried_on_into_the_log(api: Api) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    written = await api.ask("POST", f"{WS}/experiments/e/create", {}, {"traceparent": trace})
    events = await api.events(f"/v1/events?since={written.json['position'] - 1}", 1)
    assert written.headers["traceparent"] == trace and trace in events[0]["data"]


async def test_a_reader_of_the_next_position_is_answered_when_it_comes(api: Api) -> None:
    head = int((await api.ask("GET", "/v1/status")).json["head"])
    waiting = asyncio.create_task(api.ask("GET", f"{WS}/experiments/e?after={head + 1}"))
    written = await api.ask("POST", f"{WS}/experiments/e/create")
    assert written.json["position"] == head + 1
    assert (await waiting).json["name"] == "e"
