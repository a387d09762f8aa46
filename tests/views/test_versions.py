"""Lists of the past are what folding the log up to there gives, whichever way leads to them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.views.test_monitor_views import a_log

from treering.adapters.sqlite_view import SqliteView
from treering.domain import KINDS
from treering.kernel.log import Entry
from treering.kernel.subjects import Address, address_of
from treering.views import versions
from treering.views.lifecycle import LifecycleView
from treering.views.list_at import firsts_at
from treering.views.time_queries import ListAtQuery
from treering.views.versions import fork_of, forks_holding

pytestmark = pytest.mark.anyio


def test_every_interval_is_filed_under_a_fork_of_each_position_it_holds() -> None:
    for first in range(1, 130):
        for last in range(first, 130):
            fork = fork_of(first, last)
            assert first <= fork <= last
            for position in range(first, last + 1):
                assert fork in forks_holding(position), (first, last, position)


def test_there_are_no_more_forks_of_a_position_than_it_has_bits() -> None:
    for position in (1, 2, 3, 1000, 10_000_000, 2**40 + 1):
        forks = forks_holding(position)
        assert len(forks) <= versions.POSITION_BITS and len(set(forks)) == len(forks) and position in forks


def expected_at(entries: Sequence[Entry], query: ListAtQuery, position: int) -> list[int]:
    """The same list by folding everything."""
    states: dict[Address, Any] = {}
    first: dict[Address, int] = {}
    for entry in entries[:position]:
        address = address_of(entry.subject)
        kind = KINDS[address.kind]
        states[address] = kind.fold(kind.events.decode(entry.commit().events), states.get(address))
        first.setdefault(address, entry.position)
    found = []
    for address, state in states.items():
        summary = KINDS[address.kind].summary(state)
        fits = (
            address.kind == query.kind
            and query.status in ("", summary.status)
            and query.parent in ("", summary.parent)
            and address.key.startswith(query.prefix)
            and query.archived in ("any", "true" if summary.archived else "false")
            and (not query.page or first[address] < query.page)
        )
        found += [first[address]] if fits else []
    return sorted(found, reverse=True)[: query.limit]


def a_question(chance: random.Random) -> ListAtQuery:
    kind = chance.choice(["job", "job", "experiment", "event"])
    statuses = {"job": ["", "Queued", "Running", "Failed", "Canceled"], "experiment": ["", "active", "archived"]}
    return ListAtQuery(
        "w", kind, "",
        status=chance.choice(statuses.get(kind, [""])),
        parent=chance.choice(["", "", "Default", "job/r1"]),
        prefix=chance.choice(["", "", "r", "r2"]),
        archived=chance.choice(["any", "true", "false"]),
        limit=chance.choice([1, 2, 100]),
        page=chance.choice([0, 0, chance.randint(1, 200)]),
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("looked_at_max", [2, 20_000])
async def test_a_list_of_the_past_is_the_fold_up_to_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, looked_at_max: int
) -> None:
    # Given a history, and a way along the resources that is given up early or never,
    monkeypatch.setattr(versions, "LOOKED_AT_MAX", looked_at_max)
    chance = random.Random(seed)
    entries = await a_log(seed)
    view = SqliteView(LifecycleView(), tmp_path / "lifecycle.db")
    await view.open()
    await view.apply(entries)
    # when any list as of any position is asked for, then it is what folding everything gives.
    for _ in range(300):
        query, position = a_question(chance), chance.randint(0, len(entries))
        found = await view.read(lambda db, q=query, p=position: firsts_at(db, q, p, q.limit))  # type: ignore[misc]
        assert found == expected_at(entries, query, position), (query, position)
    await view.close()
