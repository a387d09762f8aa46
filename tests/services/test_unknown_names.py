"""What a question names and never was is refused, with what there is; what only matches nothing is an empty answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from tests.services.gateway_example import SPEC, WS, Api, running_gateway

from treering.domain.credential import GrantCredential
from treering.kernel.service import Service
from treering.kernel.subjects import Address
from treering.testing.nats import RunningNats
from treering_services.base import ServiceBase
from treering_services.monitor import service as monitor

pytestmark = pytest.mark.anyio
NOW = "2026-01-01T00:00:00Z"
LATER = "2026-01-02T00:00:00Z"
# (path, status, code, what the detail must say)
UNKNOWN: tuple[tuple[str, int, str, str], ...] = (
    ("/v1/workspaces/mian/jobs", 404, "workspace.absent", "did you mean 'main'?"),
    ("/v1/workspaces/nope/jobs/j/story", 404, "workspace.absent", "'nope'; there are main, w"),
    ("/v1/workspaces/nope/diff?from=0&to=1", 404, "workspace.absent", "'nope'"),
    ("/v1/workspaces/nope/ask/changed", 404, "workspace.absent", "'nope'"),
    ("/v1/workspaces/nope/lifecycle?kind=job", 404, "workspace.absent", "'nope'"),
    ("/v1/events?ws=nope", 404, "workspace.absent", "'nope'"),
    ("/v1/audit?workspace=nope", 404, "workspace.absent", "'nope'"),
    ("/v1/audit/count?workspace=nope", 404, "workspace.absent", "'nope'"),
    ("/v1/durations?workspace=nope&kind=job", 404, "workspace.absent", "'nope'"),
    ("/v1/usage?workspace=nope", 404, "workspace.absent", "'nope'"),
    ("/v1/stuck?workspace=nope", 404, "workspace.absent", "'nope'"),
    ("/v1/audit?kind=jbo", 404, "kind.unknown", "did you mean 'job'?"),
    ("/v1/audit/count?kind=jbo", 404, "kind.unknown", "'jbo'"),
    ("/v1/events?kind=jbo", 404, "kind.unknown", "'jbo'"),
    (f"{WS}/diff?from=0&to=1&kind=jbo", 404, "kind.unknown", "'jbo"),
    ("/v1/audit?type=job.compleeted", 400, "type.unknown", "did you mean 'job.completed'?"),
    ("/v1/audit?type=job.submitted,never.came", 400, "type.unknown", "'never.came'"),
    ("/v1/audit/count?type=never.*", 400, "type.unknown", "'never.*'"),
    ("/v1/events?type=job.compleeted", 400, "type.unknown", "did you mean 'job.completed'?"),
    ("/v1/events?kind=model&type=job.*", 400, "filter.impossible", "type is 'job.*', which is of events about a job"),
    ("/v1/events?kind=job&type=job.completed,model.created", 400, "filter.impossible", "'model.created'"),
    ("/v1/events?kind=event&type=job.*", 400, "filter.impossible", "which nobody can publish"),
    ("/v1/events?follow=true&kind=model&type=*.completed", 400, "filter.impossible", "leave out one of them"),
    ("/v1/events?kind=installation&ws=w", 400, "filter.impossible", "is in 'main'"),
    ("/v1/events?kind=model&name=churn&ws=w", 400, "filter.impossible", "say churn:1"),
    ("/v1/events?type=job.*x", 400, "type.unknown", "'job.*x'"),
    ("/v1/audit?kind=model&type=job.*", 400, "filter.impossible", "about a job, and kind is 'model'"),
    ("/v1/audit?kind=model&type=job.*&unseen=true", 400, "filter.impossible", "about a job"),
    ("/v1/audit?kind=model&name=churn", 400, "filter.impossible", "say churn:1"),
    ("/v1/audit/count?kind=installation&workspace=w", 400, "filter.impossible", "is in 'main'"),
    ("/v1/audit?since=90-ab12:91", 410, "position.other_log", "since is 90-ab12:91, and the log ends at"),
    ("/v1/audit/count?until=90-ab12:91", 410, "position.other_log", "until is 90-ab12:91"),
    ("/v1/audit?since=1:999999", 410, "position.other_log", "ends at"),
    ("/v1/audit/count?kind=job&type=*.created", 400, "filter.impossible", "'*.created'"),
    (
        "/v1/audit?actor=nobody",
        400,
        "actor.unknown",
        "'nobody': nobody has this id or, by now, this name (names of before",
    ),
    ("/v1/audit/count?actor=nobody", 400, "actor.unknown", "'nobody'"),
    (f"{WS}/jobs?status=running", 400, "status.unknown", "did you mean 'Running'?"),
    (f"{WS}/jobs?status=running&at=1", 400, "status.unknown", "'running'"),
    (f"{WS}/jobs?parent=digitz", 404, "experiment.absent", "did you mean 'digits'?"),
    ("/v1/durations?workspace=w&kind=job&parent=digitz", 404, "experiment.absent", "'digitz'"),
    (f"{WS}/jobs/never/story", 404, "job.absent", "'never'"),
    (f"{WS}/jobs/never/lifecycle", 404, "job.absent", "'never'"),
    (f"{WS}/jobs/never/diff?from=0&to=2", 404, "job.absent", "no job of this name"),
    (f"{WS}/ask/aliases?argument=never", 404, "registered_model.absent", "'never'"),
    (f"/v1/audit?since={LATER}&until={NOW}", 400, "query.bad_window", "later than until"),
    ("/v1/audit?since=2026-01-01T00:00:02&until=2026-01-01T00:00:01", 400, "query.bad_window", "later than until"),
    ("/v1/audit?since=5&until=2", 400, "query.bad_window", "'5' is later than until '2'"),
    (f"/v1/audit/count?since=2&until={NOW}", 400, "query.bad_window", "later than until"),
    ("/v1/audit?since=2999-01-01&until=2", 400, "query.bad_window", "later than until"),
    (f"{WS}/ask/changed?since=5&until=2", 400, "query.bad_window", "later than until"),
    (f"{WS}/jobs/j/diff?from=6&to=2", 400, "query.bad_window", "nothing lies between"),
    (f"{WS}/diff?from=6&to=2", 400, "query.bad_window", "nothing lies between"),
    ("/v1/usage?since=2026-01-02&until=2026-01-01", 400, "query.bad_window", "later than until"),
    ("/v1/audit?since=999999&until=2999-01-01", 400, "query.beyond_log", "the log's last is"),
    ("/v1/audit?after=999999", 400, "query.beyond_log", "after is position 999999, and the log's last is"),
    ("/v1/audit?until=999999", 400, "query.beyond_log", "until is position 999999"),
    ("/v1/audit/count?since=999999", 400, "query.beyond_log", "since is position 999999"),
    ("/v1/audit/access?until=999999", 400, "query.beyond_log", "until is position 999999"),
    (f"{WS}/ask/changed?since=999999", 400, "query.beyond_log", "since is position 999999"),
    (f"{WS}/jobs?at=999999", 400, "query.beyond_log", "at is position 999999"),
    (f"{WS}/jobs/j?at=999999", 400, "query.beyond_log", "at is position 999999"),
    (f"{WS}/registered_models?at=999999", 400, "query.beyond_log", "at is position 999999"),
    (f"{WS}/runs?at=999999", 400, "query.beyond_log", "at is position 999999"),
    ("/v1/workspaces?at=999999", 400, "query.beyond_log", "at is position 999999"),
    (f"{WS}/diff?from=0&to=999999", 400, "query.beyond_log", "to is position 999999"),
    ("/v1/usage?since=2026-13-01", 400, "query.bad_day", "2026-01-31"),
)
EMPTY: tuple[tuple[str, str], ...] = (
    (f"{WS}/jobs?status=Failed", "items"),
    (f"{WS}/jobs?parent=empty", "items"),
    (f"{WS}/nodes?status=lost", "items"),
    ("/v1/audit?workspace=w&type=job.completed", "rows"),
    ("/v1/audit?kind=node", "rows"),
    ("/v1/audit?type=never.came&unseen=true", "rows"),
    ("/v1/audit?actor=nobody&unseen=true", "rows"),
    (f"/v1/audit?since={NOW}&until={LATER}", "rows"),
    ("/v1/audit?since=2999-01-01&until=2999-01-02", "rows"),
    (f"{WS}/ask/deleted", "rows"),
    (f"{WS}/ask/secrets", "rows"),
    ("/v1/usage?workspace=w&since=2026-01-01&until=2026-01-01", "rows"),
)


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    async with running_gateway(nats_server) as running:
        base = ServiceBase(running.home, nats_server.urls)
        service = Service("monitor", lambda started: monitor.run(base, started))
        await service.start()
        try:
            for path, body in (
                (f"{WS}/experiments/empty/create", {}),
                (f"{WS}/jobs", {"name": "j", "spec": {**SPEC, "experiment": "digits"}}),
            ):
                assert (await running.ask("POST", path, body)).status < 300
            yield running
        finally:
            await service.stop()


async def test_what_never_was_is_refused_and_what_matches_nothing_is_not(api: Api) -> None:
    for path, status, code, said in UNKNOWN:
        answer = await api.ask("GET", path)
        assert (answer.status, answer.code) == (status, code), (path, answer.body)
        assert said in answer.json["detail"], (path, answer.json["detail"])
    for path, key in EMPTY:
        answer = await api.ask("GET", path)
        assert answer.status == 200 and answer.json[key] == [], (path, answer.body)


async def test_the_last_position_of_the_log_and_the_next_one_are_no_mistake(api: Api) -> None:
    """However far the views are: what was written is known, and who asks for what comes next gets what there is."""
    for number in range(10):
        made = await api.ask("POST", f"{WS}/experiments/last-{number}/create")
        position = made.json["position"]
        assert (await api.ask("GET", f"{WS}/experiments/last-{number}?at={position}")).status == 200
        asked = await api.ask("GET", f"/v1/audit?workspace=w&since={position}&until={position}")
        assert asked.status == 200
    head = (await api.ask("GET", "/v1/status")).json["head"]
    assert (await api.ask("GET", f"/v1/audit?workspace=w&since={head + 1}")).status == 200
    assert (await api.ask("GET", f"/v1/audit?workspace=w&since={head + 9}&unseen=true")).json["rows"] == []


async def test_what_has_just_come_to_be_is_known(api: Api) -> None:
    """The audit view may be a moment behind: it is not believed when it has not heard of something."""
    for number in range(20):
        event = {"id": str(number), "source": "/ci", "type": f"fresh.t{number}", "subject": "job/j"}
        assert (await api.ask("POST", f"{WS}/events", event)).status == 200
        found = await api.ask("GET", f"/v1/audit?type=fresh.t{number}")
        assert [row["published"] for row in found.json["rows"]] == [f"fresh.t{number}"], found.body
        name = f"fresh-{number}"
        assert (await api.ask("POST", f"{WS}/experiments/{name}/create")).status == 201
        story = await api.ask("GET", f"{WS}/experiments/{name}/story")
        assert [row["type"] for row in story.json["rows"]] == ["experiment.created"]


async def test_a_published_event_is_found_by_its_own_type_in_the_audit_as_in_the_stream(api: Api) -> None:
    for id, type in (("1", "build.finished"), ("2", "build.begun"), ("3", "test.passed")):
        event = {"id": id, "source": "/ci", "type": type, "subject": "job/j"}
        last = (await api.ask("POST", f"{WS}/events", event)).headers["treering-position"]
    for asked, wanted in (
        ("build.finished", {"build.finished"}),
        ("build.*", {"build.finished", "build.begun"}),
        ("*.finished", {"build.finished"}),
        ("bu*d.*n", {"build.begun"}),
        ("build.*,test.passed", {"build.finished", "build.begun", "test.passed"}),
    ):
        lines = (await api.ask("GET", f"/v1/events?type={asked}")).body.splitlines()
        rows: list[dict[str, Any]] = (await api.ask("GET", f"/v1/audit?type={asked}&workspace=w&after={last}")).json[
            "rows"
        ]
        assert {row["published"] for row in rows} == wanted and len(rows) == len(lines)
        assert {row["type"] for row in rows} == {"event.published"} and {row["about"] for row in rows} == {"job/j"}
    mixed = (await api.ask("GET", "/v1/audit?type=event.published,build.finished,job.submitted")).json["rows"]
    assert [row.get("published", "") for row in mixed] == ["test.passed", "build.begun", "build.finished", ""]
    counted = (await api.ask("GET", "/v1/audit/count?type=build.*")).json["rows"]
    assert counted == [{"value": "event.published", "events": 2}]
    sql = "SELECT published FROM events WHERE published <> '' ORDER BY 1"
    assert (await api.ask("POST", "/v1/audit/sql", {"sql": sql})).json["rows"][0] == ["build.begun"]


@pytest.mark.parametrize("sql", ["", " ", ";", "-- nothing"])
async def test_no_statement_is_refused(api: Api, sql: str) -> None:
    answer = await api.ask("POST", "/v1/audit/sql", {"sql": sql})
    assert (answer.status, answer.code) == (400, "sql.invalid") and "one SELECT" in answer.json["detail"]


async def test_events_of_ours_are_found_by_how_their_types_end(api: Api) -> None:
    for query, wanted in (("type=*.submitted", ["job/j"]), ("kind=experiment&type=*.created,*.archived", None)):
        lines = (await api.ask("GET", f"/v1/events?ws=w&{query}")).body.splitlines()
        workspace = query.replace("kind=", "workspace=w&kind=") if "kind" in query else f"workspace=w&{query}"
        head = (await api.ask("GET", "/v1/status")).json["head"]
        rows = (await api.ask("GET", f"/v1/audit?{workspace}&after={head}")).json["rows"]
        assert len(rows) == len(lines) > 0, query
        assert wanted is None or [msgspec.json.decode(line)["subject"] for line in lines] == wanted
    (live,) = await api.events("/v1/events?ws=w&type=*.submitted&since=0", 1)
    assert live["event"] == "job.submitted"


@pytest.mark.parametrize("types", [["model.*"], ["*.created"]])
async def test_a_webhook_whose_filter_nothing_can_match_is_refused_made_or_changed(api: Api, types: list[str]) -> None:
    asked = {"name": "h", "url": "https://x.example", "kind": "job", "types": types}
    answer = await api.ask("POST", f"{WS}/webhooks", asked)
    assert (answer.status, answer.code) == (400, "filter.impossible"), answer.body


async def test_a_webhook_for_a_type_there_is_not_is_refused(api: Api) -> None:
    answer = await api.ask("POST", f"{WS}/webhooks", {"name": "h", "url": "https://x.example", "types": ["job.done"]})
    assert (answer.status, answer.code) == (400, "type.unknown")


async def test_who_may_act_is_known_before_acting(api: Api) -> None:
    granted = GrantCredential("user", ["everything"], "0" * 64, "0" * 16)
    written = await api.send_as("gateway", Address("main", "credential", "user:u_new"), granted)
    answer = await api.ask("GET", f"/v1/audit?actor=u_new&after={written.position}")
    assert answer.status == 200 and answer.json["rows"] == []
    assert (await api.ask("GET", "/v1/audit?actor=u_never")).code == "actor.unknown"
