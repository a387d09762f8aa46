"""Items are packed in turn by caller and by place, and none is lost or overtaken by a later one of its caller."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from treering.kernel.in_turn import InTurn

ITEMS = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.integers(0, 30)), max_size=60)


def test_what_another_sends_is_in_the_next_message_however_much_one_has_waiting() -> None:
    waiting = InTurn[str]()
    for number in range(100):
        waiting.put("main", "greedy", f"greedy {number}", 10)
    waiting.put("main", "modest", "modest", 10)
    assert waiting.next(30) == ("main", ["greedy 0", "modest", "greedy 1"])
    assert waiting.next(30) == ("main", ["greedy 2", "greedy 3", "greedy 4"])


def test_places_take_turns() -> None:
    waiting = InTurn[str]()
    for number in range(4):
        waiting.put("busy", "greedy", f"greedy {number}", 10)
    waiting.put("quiet", "modest", "modest", 10)
    assert [waiting.next(20)[0] for _ in range(3)] == ["busy", "quiet", "busy"]


@given(ITEMS)
def test_each_item_is_taken_once_and_those_of_a_caller_in_order(items: list[tuple[str, str, int]]) -> None:
    waiting = InTurn[tuple[str, str, int]]()
    for number, (place, caller, size_bytes) in enumerate(items):
        waiting.put(place, caller, (place, caller, number), size_bytes)
    taken = []
    while waiting.waiting:
        place, message = waiting.next(40)
        assert message and all(item[0] == place for item in message)
        assert len(message) == 1 or sum(items[item[2]][2] for item in message) <= 40
        taken += message
    assert sorted(number for _, _, number in taken) == list(range(len(items)))
    for of in {item[:2] for item in taken}:
        numbers = [item[2] for item in taken if item[:2] == of]
        assert numbers == sorted(numbers)
