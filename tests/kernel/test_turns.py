"""Turns by caller: whatever one asks, another finds a slot, and who waits without end is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treering.kernel.refusal import Refused
from treering.kernel.turns import Turns

CALLERS = "abcdef"
STEPS = st.lists(st.tuples(st.sampled_from(["ask", "end", "leave"]), st.sampled_from(CALLERS)), max_size=120)


def test_a_caller_with_any_number_of_queries_leaves_half_of_the_slots_to_others() -> None:
    turns = Turns[int](4, "queries")
    assert [turns.take("greedy") for _ in range(5)] == [True, True, False, False, False]
    assert turns.take("modest")
    assert not turns.take("modest"), "the last slots are for those who have none"
    assert turns.take("third")
    assert not turns.take("fourth")


def test_who_waits_is_taken_in_turn_by_caller_and_in_order_of_each() -> None:
    turns = Turns[str](1, "queries")
    assert turns.take("x")
    for item in ("a1", "a2", "a3", "b1", "b2", "c1"):
        turns.put(item[0], item)
    taken: list[str] = []
    before = "x"
    for _ in range(6):
        turns.done(before)
        chosen = turns.next()
        assert chosen is not None
        before = chosen[0]
        taken.append(chosen[1])
    assert taken == ["a1", "b1", "c1", "a2", "b2", "a3"]
    assert turns.next() is None and turns.waiting == 0 and not turns.queues


def test_more_than_may_wait_are_refused_by_caller_and_in_all() -> None:
    turns = Turns[int](1, "queries", waiting_each_max=2, waiting_max=3)
    turns.put("a", 1)
    turns.put("a", 2)
    with pytest.raises(Refused, match="2 queries of this caller are waiting") as refused:
        turns.put("a", 3)
    assert refused.value.code == "caller.busy"
    turns.put("b", 4)
    with pytest.raises(Refused, match="3 queries are waiting") as refused:
        turns.put("c", 5)
    assert refused.value.code == "service.busy"
    assert turns.remove("a", 1) and not turns.remove("a", 1)
    turns.put("c", 5)


@given(st.integers(1, 8), STEPS)
def test_nobody_waits_with_nothing_under_way_while_there_is_a_free_slot(
    slots: int, steps: list[tuple[str, str]]
) -> None:
    turns = Turns[int](slots, "queries")
    running: list[str] = []
    waiting: list[tuple[str, int]] = []
    for number, (what, caller) in enumerate(steps):
        if what == "ask":
            if turns.take(caller):
                running.append(caller)
            else:
                turns.put(caller, number)
                waiting.append((caller, number))
        elif what == "end" and running:
            turns.done(running.pop(0))
            while (chosen := turns.next()) is not None:
                waiting.remove(chosen)
                running.append(chosen[0])
        elif what == "leave" and waiting:
            assert turns.remove(*waiting.pop())
        assert turns.free == slots - len(running) >= 0
        assert turns.waiting == len(waiting)
        for one in CALLERS:
            assert running.count(one) == turns.under_way[one] <= max(slots // 2, 1)
            if turns.free and not running.count(one):
                assert one not in [who for who, _ in waiting], "it could have begun"
