"""Filters that no event can ever match are refused: they would be silence for ever."""

from __future__ import annotations

import pytest

from treering.domain import KINDS
from treering.domain.grid_types import GRID_TYPES
from treering.domain.watched import check_place, check_watched, check_webhook
from treering.domain.webhook_messages import Body
from treering.kernel.refusal import Refused
from treering.views.selection import Selection
from treering_services.notifier.event_grid import TYPES


@pytest.mark.parametrize(
    ("types", "kind", "code"),
    [
        (["job.*"], "model", "filter.impossible"), (["job.completed"], "model", "filter.impossible"),
        (["model.created", "job.completed"], "model", "filter.impossible"),
        (["*.completed"], "model", "filter.impossible"),
        (["build.finished"], "job", "filter.impossible"), (["job.completed"], "event", "filter.impossible"),
        (["job.c*"], "event", "filter.impossible"), (["job.compleeted"], "", "type.unknown"),
        (["job.*x"], "", "type.unknown"), (["job.compleeted"], "job", "type.unknown"),
        (["Job.completed"], "", "type.unknown"),
        (["event.published"], "", "type.unknown"), ([""], "", "filter.impossible"),
        ([" build"], "", "filter.impossible"),
        (["a*********b"], "", "request.query"),
    ],
)  # fmt: skip
def test_types_that_no_event_of_the_kind_can_have_are_refused(types: list[str], kind: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        check_watched(types, kind)
    assert refused.value.code == code and len(refused.value.detail) < 500


@pytest.mark.parametrize(
    ("types", "kind"),
    [
        (["*.failed"], ""), (["*.failed"], "job"), (["*"], "model"), (["*.created", "model.archived"], "model"),
        (["build.finished", "*.finished"], ""), (["build.*"], "event"), (["*.failed"], "event"), ([], "job"),
        (["j*"], "event"), (["job.*", "model.*"], ""),
    ],
)  # fmt: skip
def test_types_that_some_event_has_or_somebody_may_publish_are_waited_for(types: list[str], kind: str) -> None:
    check_watched(types, kind)


def test_every_type_of_a_kind_and_the_pattern_of_all_of_them_can_be_watched_with_it() -> None:
    for name, kind in KINDS.items():
        for type in kind.event_types if name != "event" else ():
            check_watched([type, f"{name}.*", f"*.{type.partition('.')[2]}"], name)
            assert Selection(types=(f"*.{type.partition('.')[2]}",)).wants(type)


@pytest.mark.parametrize(
    ("kind", "workspace", "name"),
    [
        ("installation", "prod", ""), ("witness", "prod", ""), ("workspace", "prod", "main"),
        ("environment", "", "train"), ("job", "main", "j:1"), ("model", "main", "churn"),
    ],
)  # fmt: skip
def test_a_place_that_holds_nothing_of_the_kind_is_refused(kind: str, workspace: str, name: str) -> None:
    with pytest.raises(Refused, match=r"no event can match that") as refused:
        check_place(kind, workspace, name)
    assert refused.value.code == "filter.impossible"


@pytest.mark.parametrize(
    ("kind", "workspace", "name"),
    [("installation", "main", ""), ("workspace", "prod", "prod"), ("model", "main", "churn:1"), ("job", "", "j")],
)
def test_a_place_where_something_of_the_kind_may_come_is_waited_for(kind: str, workspace: str, name: str) -> None:
    check_place(kind, workspace, name)


@pytest.mark.parametrize(
    ("body", "types", "kind"),
    [
        ("eventgrid", ["compute.created"], ""), ("eventgrid", [], "compute"), ("eventgrid", ["build.finished"], ""),
        ("eventgrid", ["*.archived"], "model"), ("mlflow", ["registered_model.created"], "model"),
        ("cloudevents", ["job.*"], "model"),
    ],
)  # fmt: skip
def test_a_webhook_that_its_form_has_no_event_for_is_refused(body: Body, types: list[str], kind: str) -> None:
    with pytest.raises(Refused) as refused:
        check_webhook(body, types, kind, "main", "")
    assert refused.value.code == "filter.impossible"


def test_a_webhook_is_told_in_each_form_what_it_has_events_for() -> None:
    check_webhook("eventgrid", ["job.completed", "*.created"], "", "main", "")
    check_webhook("eventgrid", [], "job", "main", "")
    check_webhook("mlflow", ["model_version.*"], "model", "main", "")
    assert set(TYPES) == GRID_TYPES


@pytest.mark.parametrize(
    ("name", "example"), [("churn", "churn:1"), ("churn/3", "churn:3"), ("team/churn", "team/churn:1")]
)
def test_who_names_a_model_without_its_version_is_told_how(name: str, example: str) -> None:
    with pytest.raises(Refused, match=f"say {example}:"):
        check_place("model", "w", name)
