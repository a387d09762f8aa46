"""Time travel through the monitor: lists of the past, differences, and words that came this moment."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.services.monitor_example import experiment, filled, installation

from treering.domain.experiment_messages import ArchiveExperiment, CreateExperiment, UpdateExperiment
from treering.kernel.refusal import Refused
from treering.testing.nats import RunningNats
from treering.views.queries import AuditAnswer, AuditQuery, CountAnswer, CountQuery
from treering.views.time_queries import (
    Difference,
    DiffQuery,
    ListAtAnswer,
    ListAtQuery,
    WorkspaceDiffAnswer,
    WorkspaceDiffQuery,
)

pytestmark = pytest.mark.anyio


async def test_a_list_of_the_past_has_the_resources_of_then_in_their_state_of_then(nats_server: RunningNats) -> None:
    async with installation(nats_server) as running:
        # Given experiments made, changed and archived one after the other,
        await running.send(experiment("a"), CreateExperiment("one"))
        second = await running.send(experiment("b"), CreateExperiment())
        changed = await running.send(experiment("a"), UpdateExperiment("two"))
        last = await running.send(experiment("b"), ArchiveExperiment())
        at = (await running.row_at(second.position)).at
        # when the list is asked for as of a position, a time, or this moment, then it is as it was.
        for moment, shown in (
            (str(second.position), {"a": "one", "b": ""}),
            (at, {"a": "one", "b": ""}),
            (str(changed.position), {"a": "two", "b": ""}),
            (str(last.position), {"a": "two"}),
            ("2100-01-01", {"a": "two"}),
        ):
            answer = await running.ask("list_at", ListAtQuery("w", "experiment", moment), ListAtAnswer)
            states = {one.name: msgspec.json.decode(one.state).get("display_name", "") for one in answer.items}
            assert states == shown, moment
        archived = ListAtQuery("w", "experiment", str(last.position), archived="true")
        assert [one.name for one in (await running.ask("list_at", archived, ListAtAnswer)).items] == ["b"]


async def test_pages_of_a_list_of_the_past_stay_while_time_goes_on(nats_server: RunningNats) -> None:
    async with installation(nats_server) as running:
        last = await filled(running, 25)
        names: list[str] = []
        page = 0
        while True:
            query = ListAtQuery("w", "experiment", str(last), limit=10, page=page)
            answer = await running.ask("list_at", query, ListAtAnswer)
            names += [one.name for one in answer.items]
            await running.send(experiment(f"new-{page}"), CreateExperiment())
            await running.send(experiment(names[-1]), ArchiveExperiment())
            page = answer.next
            if not page:
                break
        assert sorted(names) == sorted(f"e{number}" for number in range(25))


async def test_large_states_come_in_smaller_pages(nats_server: RunningNats) -> None:
    async with installation(nats_server) as running:
        for name in ("a", "b", "c"):
            last = await running.send(experiment(name), CreateExperiment(description="x" * 400_000))
        query = ListAtQuery("w", "experiment", str(last.position))
        first = await running.ask("list_at", query, ListAtAnswer)
        rest = await running.ask("list_at", msgspec.structs.replace(query, page=first.next), ListAtAnswer)
        assert [[one.name for one in answer.items] for answer in (first, rest)] == [["c", "b"], ["a"]]


async def test_a_difference_says_what_changed_by_whom_and_why(nats_server: RunningNats) -> None:
    async with installation(nats_server) as running:
        created = await running.send(experiment("a"), CreateExperiment("one"))
        cause = (await running.row_at(created.position)).commit_id
        await running.send(experiment("b"), CreateExperiment())
        last = await running.send(experiment("a"), UpdateExperiment("two"), actor="ben", cause=cause)
        query = DiffQuery("w", "experiment", "a", str(created.position), str(last.position))
        found = await running.ask("diff", query, Difference)
        (field,) = found.fields
        assert (field.path, field.before, field.after, field.actor) == ("display_name", "one", "two", "ben")
        assert field.because is not None and field.because.position == created.position
        # Of the whole workspace: each resource, page by page.
        window = WorkspaceDiffQuery("w", "0", str(last.position), limit=1)
        first = await running.ask("workspace_diff", window, WorkspaceDiffAnswer)
        rest = await running.ask(
            "workspace_diff", msgspec.structs.replace(window, page=first.next), WorkspaceDiffAnswer
        )
        assert [(one.name, one.status_before, one.status_after) for one in (*first.rows, *rest.rows)] == [
            ("a", "", "active"),
            ("b", "", "active"),
        ]
        assert rest.next == ""
        only = WorkspaceDiffQuery("w", str(last.position - 1), str(last.position))
        assert [one.name for one in (await running.ask("workspace_diff", only, WorkspaceDiffAnswer)).rows] == ["a"]


@pytest.mark.parametrize(
    ("name", "query", "code"),
    [
        ("diff", DiffQuery("w", "experiment", "none", "0", "2999-01-01"), "experiment.absent"),
        ("diff", DiffQuery("w", "experiment", "a", "2", "1"), "query.bad_window"),
        ("diff", DiffQuery("w", "weather", "a", "1", "9"), "kind.unknown"),
        ("diff", DiffQuery("w", "experiment", "a", "soon", "2"), "query.bad_moment"),
        ("workspace_diff", WorkspaceDiffQuery("w", "1", "2", page="x"), "query.bad_page"),
        ("list_at", ListAtQuery("w", "weather", "1"), "kind.unknown"),
        ("list_at", ListAtQuery("w", "experiment", "soon"), "query.bad_moment"),
        ("list_at", ListAtQuery("w", "experiment", "1", limit=0), "query.bad_limit"),
        ("count", CountQuery(by="colour"), "query.bad_by"),
        ("audit", AuditQuery(text='"'), "query.bad_text"),
        ("audit", AuditQuery(type=",".join(["a.b"] * 70)), "query.bad_type"),
    ],
)
async def test_a_bad_question_about_the_past_is_refused_with_words(
    nats_server: RunningNats, name: str, query: Any, code: str
) -> None:
    async with installation(nats_server) as running:
        await running.send(experiment("a"), CreateExperiment())
        with pytest.raises(Refused) as refused:
            await running.ask(name, query, Any)
        assert refused.value.code == code


async def test_a_word_is_found_the_moment_its_event_is_written(nats_server: RunningNats) -> None:
    async with installation(nats_server) as running:
        for number in range(20):
            written = await running.send(experiment(f"e{number}"), CreateExperiment(f"wort{number}"))
            query = AuditQuery(text=f"WORT{number}", after=written.position)
            found = await running.ask("audit", query, AuditAnswer)
            assert [row.name for row in found.rows] == [f"e{number}"]
        counted = await running.ask("count", CountQuery(workspace="w"), CountAnswer)
        assert [(row.value, row.events) for row in counted.rows] == [("experiment.created", 20)]
