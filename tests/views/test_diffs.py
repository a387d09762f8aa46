"""A difference names every field that differs, once, with the commit that made it what it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treering.adapters.memory_log import MemoryLog
from treering.domain.experiment import EXPERIMENT
from treering.domain.experiment_messages import ArchiveExperiment, CreateExperiment, UpdateExperiment
from treering.kernel.command import Context
from treering.kernel.subjects import Address
from treering.kernel.writer import Writer
from treering.views.diffs import changes, difference

E = Address("w", "experiment", "e")
values = st.recursive(
    st.none() | st.integers(0, 3) | st.text("ab", max_size=2) | st.lists(st.integers(0, 2), max_size=2),
    lambda children: st.dictionaries(st.text("xyz", min_size=1, max_size=2), children, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text("xyz", min_size=1, max_size=2), values, max_size=4)


def leaves(value: Any, path: str = "") -> dict[str, Any]:
    """The values of an object by their paths, without empty objects and nulls, which say nothing."""
    if isinstance(value, dict):
        found: dict[str, Any] = {}
        for name, child in value.items():
            found |= leaves(child, f"{path}.{name}" if path else name)
        return found
    return {} if value is None else {path: value}


@given(objects, objects)
def test_with_its_changes_applied_the_one_state_is_the_other(before: dict[str, Any], after: dict[str, Any]) -> None:
    state = leaves(before)
    seen = [change.path for change in changes(before, after)]
    assert len(seen) == len(set(seen))
    for path, old, new in changes(before, after):
        assert old != new
        state = {name: value for name, value in state.items() if name != path and not name.startswith(f"{path}.")}
        state |= leaves(new, path)
    assert state == leaves(after)


@given(objects)
def test_nothing_differs_from_itself(state: dict[str, Any]) -> None:
    assert list(changes(state, state)) == []


@pytest.mark.anyio
async def test_each_field_is_of_the_commit_that_touched_it_last() -> None:
    # Given an experiment that was changed by several people, back and forth,
    log = MemoryLog()
    writer = Writer(log, EXPERIMENT)
    said = [
        ("anna", CreateExperiment("one", tags={"team": "x"})),
        ("ben", UpdateExperiment(description="d", tags={"team": "y"})),
        ("carl", UpdateExperiment(display_name="two")),
        ("dora", UpdateExperiment(display_name="one")),
        ("emil", ArchiveExperiment()),
    ]
    for number, (actor, command) in enumerate(said, start=1):
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number)
        await writer.execute(E, command, Context(f"c{number}", at, actor, f"why-{number}"))
    # when the difference between two positions is asked for, then each field has its last author and reason,
    found = difference(E, log.entries, 1, 5)
    assert found is not None
    by_path = {field.path: field for field in found.fields}
    assert {path: (one.before, one.after, one.actor, one.position) for path, one in by_path.items()} == {
        "description": (
            "" if "description" in by_path and by_path["description"].before == "" else None,
            "d",
            "ben",
            2,
        ),
        "status": ("active", "archived", "emil", 5),
        "tags.team": ("x", "y", "ben", 2),
    }
    assert by_path["status"].cause == "why-5" and by_path["status"].type == "experiment.archived"
    # what was changed and changed back does not differ, and those who did it are named all the same.
    assert found.commits == 4 and found.actors == ["ben", "carl", "dora", "emil"]
    assert (found.status_before, found.status_after) == ("active", "archived")
    # Before it was there its status was nothing; behind its last commit nothing changed.
    born = difference(E, log.entries, 0, 1)
    assert born is not None and (born.status_before, born.status_after) == ("", "active")
    assert difference(E, log.entries, 5, 9) is None
