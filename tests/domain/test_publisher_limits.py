"""What a publisher may publish: beginnings of sources, and types or beginnings of types."""

from __future__ import annotations

import pytest

from treering.domain.publisher_limits import check_limits, require_allowed
from treering.kernel.refusal import Refused


@pytest.mark.parametrize(
    ("sources", "types", "source", "type", "code"),
    [
        ([], [], "/anything", "any.thing", ""),
        (["/ci/"], [], "/ci/main", "any.thing", ""),
        (["/ci/"], [], "/cinema", "any.thing", "event.source_forbidden"),
        (["/ci/"], [], "x/ci/", "any.thing", "event.source_forbidden"),
        (["/ci/", "/cd/"], [], "/cd/1", "any.thing", ""),
        ([], ["build.finished"], "/ci", "build.finished", ""),
        ([], ["build.finished"], "/ci", "build.finished.late", "event.type_forbidden"),
        ([], ["build.*"], "/ci", "build.finished.late", ""),
        ([], ["build.*"], "/ci", "builds.finished", "event.type_forbidden"),
        ([], ["*"], "/ci", "any.thing", ""),
        (["/ci/"], ["build.*"], "/cd/", "build.finished", "event.source_forbidden"),
        (["/ci/"], [], "/ci/../deploy/x", "any.thing", "event.source_forbidden"),
        (["/ci/"], [], "/ci/%2e%2e/deploy/x", "any.thing", "event.source_forbidden"),
        (["/ci/"], [], "/%63i/x", "any.thing", ""),
        (["https://ci.example/"], [], "HTTPS://CI.Example/x", "any.thing", ""),
        (["HTTPS://CI.Example/"], [], "https://ci.example/x", "any.thing", ""),
        (["/ci/.."], [], "/deploy", "any.thing", "event.source_forbidden"),
        ([], ["build.*"], "/ci", "Build.finished", "event.type_forbidden"),
    ],
)
def test_an_event_is_allowed_within_both_limits(
    sources: list[str], types: list[str], source: str, type: str, code: str
) -> None:
    try:
        require_allowed(sources, types, source, type)
        refused = ""
    except Refused as error:
        refused = error.code
    assert refused == code


@pytest.mark.parametrize("source", ["/%63i/", "/ci/../", "/ci/./", "HTTPS://ci.example/", "/ci/%zz", "/ci|", "a\\b"])
def test_a_beginning_of_sources_is_said_in_its_plain_spelling(source: str) -> None:
    with pytest.raises(Refused, match=r"credential\.invalid"):
        check_limits([source], [])
