"""What the monitor answers: the audit, stories with their causes, the past, and its own status."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.services.monitor_example import experiment, filled, installation

from treering.domain.event import PublishEvent, event_key
from treering.domain.experiment_messages import ArchiveExperiment, CreateExperiment, UpdateExperiment
from treering.domain.job_messages import SubmitJob
from treering.domain.job_spec import EnvironmentSpec, JobSpec
from treering.domain.run_messages import CreateRun, LogToRun
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.testing.nats import RunningNats
from treering.views.queries import (
    AtAnswer,
    AtQuery,
    AuditAnswer,
    AuditQuery,
    Because,
    LifecycleAnswer,
    LifecycleQuery,
    StoryAnswer,
    StoryQuery,
    VerifyAnswer,
    VerifyQuery,
)

pytestmark = pytest.mark.anyio


async def test_a_story_has_events_causes_and_what_was_published_about_it(nats_server: RunningNats) -> None:
    async with installation(nats_server) as running:
        # Given an experiment, one changed because of it, and an event somebody published about that one,
        first = await running.send(experiment("first"), CreateExperiment())
        row = await running.row_at(first.position)
        await running.send(experiment("second"), CreateExperiment(), cause=row.commit_id)
        published = PublishEvent("https://ci", "17", "ci.passed", "experiment/second", data={"score": 1})
        await running.send(Address("w", "event", event_key("https://ci", "17")), published, actor="ci")
        last = await running.send(experiment("second"), ArchiveExperiment(), cause="ticket-4711")
        await running.caught_up(last.position)
        # when its story is told,
        story = await running.ask("story", StoryQuery("w", "experiment", "second"), StoryAnswer)
        # then all three are there in order, and a cause we hold is named.
        assert [(row.position - first.position, row.type, row.actor) for row in story.rows] == [
            (1, "experiment.created", "anna"),
            (2, "event.published", "ci"),
            (3, "experiment.archived", "anna"),
        ]
        created, passed, archived = story.rows
        assert created.because == Because("experiment", "first", "experiment.created", first.position)
        assert passed.about == "experiment/second" and b'"score":1' in bytes(passed.data)
        assert archived.because is None and archived.cause == "ticket-4711"


async def test_the_id_of_a_command_is_a_cause_too(nats_server: RunningNats) -> None:
    async with installation(nats_server) as running:
        first = await running.send(experiment("first"), CreateExperiment())
        row = await running.row_at(first.position)
        second = await running.send(experiment("second"), CreateExperiment(), cause=row.command_id)
        await running.caught_up(second.position)
        story = await running.ask("story", StoryQuery("w", "experiment", "second"), StoryAnswer)
        assert story.rows[0].because is not None and story.rows[0].because.name == "first"


async def test_a_long_story_comes_in_pages(nats_server: RunningNats) -> None:
    async with installation(nats_server) as running:
        await running.send(experiment("a"), CreateExperiment())
        for number in range(6):
            last = await running.send(experiment("a"), UpdateExperiment(f"title {number}"))
        await running.caught_up(last.position)
        first = await running.ask("story", StoryQuery("w", "experiment", "a", limit=4), StoryAnswer)
        second = await running.ask("story", StoryQuery("w", "experiment", "a", limit=4, page=first.next), StoryAnswer)
        assert [row.position - last.position for row in (*first.rows, *second.rows)] == list(range(-6, 1))
        assert second.next == ""


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"actor": "ben"}, ["c"]),
        ({"kind": "experiment", "name": "b"}, ["b", "b"]),
        ({"type": "experiment.archived"}, ["b"]),
        ({"workspace": "w", "since": "2020-01-01T00:00:00Z"}, ["b", "c", "b", "a"]),
        ({"cause": "ticket"}, ["c"]),
        ({"text": "rätsel"}, ["a"]),
        ({"workspace": "other"}, []),
        ({"since": "2100-01-01"}, []),
        ({"workspace": "w", "until": "2100-01-01T00:00:00+02:00", "oldest_first": True}, ["a", "b", "c", "b"]),
    ],
)
async def test_the_audit_finds_by_each_filter(
    nats_server: RunningNats, query: dict[str, Any], names: list[str]
) -> None:
    async with installation(nats_server) as running:
        await running.send(experiment("a"), CreateExperiment(description="ein rätsel"))
        await running.send(experiment("b"), CreateExperiment())
        await running.send(experiment("c"), CreateExperiment(), actor="ben", cause="ticket")
        last = await running.send(experiment("b"), ArchiveExperiment())
        await running.caught_up(last.position)
        found = await running.ask("audit", AuditQuery(**query), AuditAnswer)
        assert [row.name for row in found.rows] == names


@pytest.mark.parametrize("oldest_first", [False, True])
async def test_pages_of_the_audit_hold_every_event_once(nats_server: RunningNats, oldest_first: bool) -> None:
    async with installation(nats_server) as running:
        last = await filled(running, 25)
        positions: list[int] = []
        page = ""
        while True:
            answer = await running.ask("audit", AuditQuery(limit=10, page=page, oldest_first=oldest_first), AuditAnswer)
            positions += [row.position for row in answer.rows]
            page = answer.next
            if not page:
                break
        assert positions == sorted(range(1, last + 1), reverse=not oldest_first)


async def test_large_events_are_answered_in_smaller_pages(nats_server: RunningNats) -> None:
    async with installation(nats_server) as running:
        for name in ("a", "b", "c"):
            await running.send(experiment(name), CreateExperiment(description="x" * 400_000))
        last = await running.send(experiment("d"), CreateExperiment(description="x" * 600_000))
        await running.caught_up(last.position)
        first = await running.ask("audit", AuditQuery(), AuditAnswer)
        assert [row.name for row in first.rows] == ["d"]
        assert bytes(first.rows[0].data) == b"null" and first.rows[0].data_bytes > 600_000
        second = await running.ask("audit", AuditQuery(page=first.next), AuditAnswer)
        assert [row.name for row in second.rows] == ["c", "b"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"since": "yesterday"}, "query.bad_moment"),
        ({"until": "99999999999999999999"}, "query.bad_moment"),
        ({"limit": 0}, "query.bad_limit"),
        ({"limit": 1001}, "query.bad_limit"),
        ({"page": "x"}, "query.bad_page"),
    ],
)
async def test_a_bad_question_is_refused_with_words(nats_server: RunningNats, query: dict[str, Any], code: str) -> None:
    async with installation(nats_server) as running:
        with pytest.raises(Refused) as refused:
            await running.ask("audit", AuditQuery(**query), AuditAnswer)
        assert refused.value.code == code


async def test_an_unknown_question_names_those_there_are(nats_server: RunningNats) -> None:
    async with installation(nats_server) as running:
        with pytest.raises(Refused, match=r"audit, .*count, .*status, story, .*verify"):
            await running.ask("weather", VerifyQuery(), VerifyAnswer)


async def test_the_audit_finds_a_range_of_positions(nats_server: RunningNats) -> None:
    async with installation(nats_server) as running:
        last = await filled(running, 10)
        query = AuditQuery(since=str(last - 3), until=str(last - 1))
        found = await running.ask("audit", query, AuditAnswer)
        assert [last - row.position for row in found.rows] == [1, 2, 3]


async def test_the_past_is_as_it_was_at_a_position_and_at_a_time(nats_server: RunningNats) -> None:
    async with installation(nats_server) as running:
        first = (await running.send(experiment("a"), CreateExperiment("one"))).position
        await running.send(experiment("b"), CreateExperiment())
        last = (await running.send(experiment("a"), UpdateExperiment("two"))).position
        await running.caught_up(last)
        written = (await running.row_at(first)).at
        for moment, shown in (
            (first, "one"),
            (last - 1, "one"),
            (last, "two"),
            (written, "one"),
            ("2100-01-01", "two"),
        ):
            then = await running.ask("at", AtQuery("w", "experiment", "a", str(moment)), AtAnswer)
            assert msgspec.json.decode(then.resource.state)["display_name"] == shown, moment
        with pytest.raises(Refused, match=r"experiment\.absent"):
            await running.ask("at", AtQuery("w", "experiment", "b", str(first)), AtAnswer)


async def test_the_lifecycle_says_how_long_in_each_status(nats_server: RunningNats) -> None:
    async with installation(nats_server) as running:
        first = await running.send(experiment("a"), CreateExperiment())
        await running.send(experiment("a"), UpdateExperiment("new"))
        last = await running.send(experiment("a"), ArchiveExperiment())
        await running.caught_up(last.position)
        of_one = await running.ask("lifecycle", LifecycleQuery("w", "experiment", "a"), LifecycleAnswer)
        assert [(one.status, one.position) for one in of_one.intervals] == [
            ("active", first.position),
            ("archived", last.position),
        ]
        assert of_one.intervals[0].until == of_one.intervals[1].since and of_one.intervals[1].until == ""
        of_kind = await running.ask("lifecycle", LifecycleQuery("w", "experiment"), LifecycleAnswer)
        assert [(one.status, one.count, one.open) for one in of_kind.summary] == [("active", 1, 0), ("archived", 0, 1)]
        assert of_kind.summary[0].p50_seconds == of_one.intervals[0].seconds == of_kind.summary[0].p95_seconds


async def test_verify_and_status_agree_on_the_head(nats_server: RunningNats) -> None:
    async with installation(nats_server) as running:
        last = await filled(running, 50)
        verified = await running.ask("verify", VerifyQuery(), VerifyAnswer)
        status = await running.caught_up(last)
        assert verified.ok and verified.positions == last and verified.commits_per_second > 0
        assert status.ok and status.head == verified.head and status.copy.lag == 0


@pytest.mark.parametrize("kind", ["job", "run"])
async def test_a_job_and_its_run_have_one_story(nats_server: RunningNats, kind: str) -> None:
    async with installation(nats_server) as running:
        # Given a job, whose script logs to the run of the same name, and another run,
        first = await running.send(Address("w", "job", "digits"), SubmitJob(JobSpec("true", EnvironmentSpec())))
        await running.send(Address("w", "run", "digits"), CreateRun("Default", of_job=True))
        await running.send(Address("w", "run", "other"), CreateRun("Default"))
        last = await running.send(Address("w", "run", "digits"), LogToRun({"rate": "0.1"}))
        await running.caught_up(last.position)
        # when the story of either is told, then both are in it, in order.
        story = await running.ask("story", StoryQuery("w", kind, "digits"), StoryAnswer)
        assert [(row.position - first.position, row.type) for row in story.rows] == [
            (0, "job.submitted"),
            (1, "run.created"),
            (3, "run.params_logged"),
        ]
