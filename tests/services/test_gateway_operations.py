"""What operators and tools ask: health, status, figures, the description, and the monitor's answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from openapi_spec_validator import validate
from tests.services.gateway_example import WS, Api, running_gateway

from treering.domain import KINDS
from treering.kernel.service import Service
from treering.kernel.subjects import plural
from treering.testing.nats import RunningNats
from treering_services.base import ServiceBase
from treering_services.gateway.problem import status_of
from treering_services.gateway.routes import ROUTES
from treering_services.monitor import service as monitor

pytestmark = pytest.mark.anyio


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    async with running_gateway(nats_server) as running:
        yield running


@pytest.fixture
async def watched(api: Api) -> AsyncIterator[Api]:
    """With a monitor."""
    base = ServiceBase(api.home, api.nats.urls)
    service = Service("monitor", lambda started: monitor.run(base, started))
    await service.start()
    yield api
    await service.stop()


async def test_health_and_readiness_are_open_to_everybody(api: Api) -> None:
    assert (await api.ask("GET", "/healthz", token="")).json == {"status": "ok"}
    assert (await api.ask("GET", "/readyz", token="")).json["status"] == "ok"


async def test_a_gateway_that_lost_the_log_is_alive_but_not_ready_and_refuses_commands(api: Api) -> None:
    await api.nats.server.stop()
    ready = await api.ask("GET", "/readyz")
    command = await api.ask("POST", f"{WS}/experiments/e/create")
    assert (await api.ask("GET", "/healthz")).status == 200
    assert (ready.status, ready.code) == (503, "log.unavailable")
    assert command.status in (404, 503) and command.headers["content-type"] == "application/problem+json"
    assert ready.headers["retry-after"] == "1"


async def test_the_status_says_how_far_each_part_is_even_without_the_monitor(api: Api) -> None:
    await api.held("j")
    status = (await api.ask("GET", "/v1/status")).json
    assert status["nats"] == "connected" and status["monitor"] == "unavailable"
    assert status["head"] >= status["position"] > 0
    node = {"workspace": "w", "name": "n1", "compute": "local", "slots": 4, "sandbox": "", "ports": ""}
    assert status["nodes"] == [node]


async def test_the_figures_count_requests_by_route_not_by_path(api: Api) -> None:
    for name in ("a", "b"):
        await api.ask("POST", f"{WS}/experiments/{name}/create")
    await api.ask("GET", "/no/such/path")
    text = (await api.ask("GET", "/metrics")).body.decode()
    route = "/v1/workspaces/{ws}/{kinds}/{key}/{command}"
    assert f'treering_http_requests_total{{method="POST",route="{route}",status="201"}} 2.0' in text
    assert 'treering_http_requests_total{method="-",route="-",status="404"} 1.0' in text
    assert "/no/such/path" not in text


async def test_the_description_is_valid_openapi_and_has_every_route_and_command(api: Api) -> None:
    document = (await api.ask("GET", "/openapi.json")).json
    validate(document)
    paths = document["paths"]
    for route in ROUTES:
        if "{kinds}" not in route.path and "{command}" not in route.path:
            assert route.method.lower() in paths[route.path.replace(":path}", "}")]
    for name in KINDS:
        assert "get" in paths[f"/v1/workspaces/{{ws}}/{plural(name)}/{{key}}"]
    assert "post" in paths["/v1/workspaces/{ws}/jobs/{key}/cancel"]
    assert "/v1/workspaces/{ws}/jobs/{key}/assign" not in paths


async def test_the_monitor_answers_through_the_gateway(watched: Api) -> None:
    await watched.submitted("j")
    position = (await watched.ask("POST", f"{WS}/jobs/j/cancel")).json["position"]
    async with asyncio.timeout(20):
        while (await watched.ask("GET", "/v1/status")).json["monitor"]["copy"]["position"] < position:
            pass
    audit = await watched.ask("GET", "/v1/audit?kind=job&limit=1")
    story = await watched.ask("GET", f"{WS}/jobs/j/story")
    lifecycle = await watched.ask("GET", f"{WS}/jobs/j/lifecycle")
    summary = await watched.ask("GET", f"{WS}/lifecycle?kind=job")
    past = await watched.ask("GET", f"{WS}/jobs/j?at={position - 1}")
    verified = await watched.ask("POST", "/v1/log/verify")
    assert [row["type"] for row in audit.json["rows"]] == ["job.canceled"]
    assert story.json["rows"][0]["type"] == "job.submitted"
    assert [one["status"] for one in lifecycle.json["intervals"]] == ["Queued", "Canceled"]
    assert summary.json["summary"] and past.json["status"] == "Queued" and verified.json["ok"]


async def test_time_travel_goes_through_the_gateway(watched: Api) -> None:
    await watched.submitted("j")
    position = (await watched.ask("POST", f"{WS}/jobs/j/cancel")).json["position"]
    then = (await watched.ask("GET", f"{WS}/jobs?at={position - 1}")).json
    workspaces = (await watched.ask("GET", f"/v1/workspaces?at={position}")).json
    nobody = (await watched.ask("GET", "/v1/workspaces?at=0")).json
    diff = (await watched.ask("GET", f"{WS}/jobs/j/diff?from={position - 1}&to={position}")).json
    everything = (await watched.ask("GET", f"{WS}/diff?from=0&to={position}&kind=jobs")).json
    durations = (await watched.ask("GET", "/v1/durations?workspace=w&kind=job")).json
    usage = (await watched.ask("GET", "/v1/usage")).json
    stuck = (await watched.ask("GET", "/v1/stuck")).json
    counts = (await watched.ask("GET", f"/v1/audit/count?by=kind&until={position}")).json
    assert [(one["name"], one["status"]) for one in then["items"]] == [("j", "Queued")]
    assert [one["name"] for one in workspaces["items"]] == ["w", "main"] and nobody["items"] == []
    assert {field["path"]: field["after"] for field in diff["fields"]}["status"] == "Canceled"
    assert [one["name"] for one in everything["rows"]] == ["j"]
    assert {row["status"] for row in durations["rows"]} == {"Queued", "Canceled", "First event"}
    assert usage["rows"][0]["jobs"] == 1 and stuck["rows"] == []
    assert {row["value"]: row["events"] for row in counts["rows"]}["job"] == 3
    assert (await watched.ask("GET", f"{WS}/diff?from=9&to=1")).code == "query.bad_window"
    assert (await watched.ask("GET", f"{WS}/diff?to=1")).code == "request.query"


async def test_what_the_monitor_refuses_is_refused_in_its_words(watched: Api) -> None:
    assert (await watched.ask("GET", "/v1/audit?colour=red")).code == "request.query"
    refused = await watched.ask("GET", f"{WS}/jobs/j?at=yesterday")
    assert 400 <= refused.status < 500 and refused.code


async def test_without_the_monitor_its_questions_are_answered_with_try_again(api: Api) -> None:
    answer = await api.ask("GET", "/v1/audit")
    assert (answer.status, answer.code) == (503, "log.unavailable")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("job.absent", 404), ("kind.unknown", 404), ("job.exists", 409), ("job.stale_attempt", 409),
        ("command.forbidden", 403), ("log.unavailable", 503), ("service.busy", 503), ("view.behind", 503),
        ("name.invalid", 400), ("something.new", 400), ("service.failed", 500),
    ],
)  # fmt: skip
async def test_the_code_of_a_refusal_decides_the_status(code: str, status: int) -> None:
    assert status_of(code) == status


async def test_sql_goes_through_the_gateway_and_its_refusals_are_the_callers_fault(watched: Api) -> None:
    position = (await watched.ask("POST", f"{WS}/experiments/e/create")).json["position"]
    assert (await watched.ask("GET", f"/v1/audit?after={position}")).status == 200
    found = await watched.ask("POST", "/v1/audit/sql", {"sql": "SELECT kind FROM events WHERE name = 'e'"})
    views = (await watched.ask("GET", "/v1/audit/views")).json["views"]
    assert found.json == {"columns": ["kind"], "rows": [["experiment"]], "truncated": False}
    assert "events" in {view["name"] for view in views}
    for body, code in (
        ({"sql": "DROP TABLE event_rows"}, "sql.forbidden"), ({"sql": "SELECT"}, "sql.invalid"),
        ({}, "request.malformed"), ({"sql": "SELECT 1", "limit": 0}, "query.bad_limit"),
    ):  # fmt: skip
        refused = await watched.ask("POST", "/v1/audit/sql", body)
        assert refused.code == code and 400 <= refused.status < 500
    assert (await watched.ask("POST", "/v1/audit/sql", {"sql": "SELECT 1"}, token="")).status == 401
