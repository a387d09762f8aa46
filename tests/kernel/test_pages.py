"""A page ends before it holds too much, and nothing is lost or told twice between two pages."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treering.kernel import pages
from treering.kernel.gathered import GATHERED_CHARACTERS_MAX, GATHERED_MAX, check_gathered
from treering.kernel.pages import Room, page_of, rows_that_fit
from treering.kernel.refusal import Refused

SIZES = st.lists(st.integers(1, 30), max_size=60)


@given(SIZES, st.integers(1, 50), st.integers(1, 20))
def test_pages_of_any_rows_are_small_and_together_all_of_them(sizes: list[int], bound: int, at_once: int) -> None:
    most_read = 0.0

    def load(keys: Sequence[int], room: Room) -> list[int]:
        nonlocal most_read
        for key in keys:
            room.take(sizes[key])
            most_read = max(most_read, bound - room.bytes_left)
        return list(keys)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages, "PAGE_BYTES_MAX", bound)
        keys = list(range(len(sizes)))
        told = list[int]()
        while keys:
            page, taken = page_of(keys, load, at_once=at_once)
            assert taken == len(page) > 0
            assert len(page) == 1 or sum(sizes[key] for key in page) <= bound
            rows, more = rows_that_fit(iter(keys), lambda key: sizes[key])
            assert (rows, more) == (page, taken < len(keys))
            told += page
            keys = keys[taken:]
    assert told == list(range(len(sizes)))
    assert most_read <= bound


def test_a_resource_gathers_so_many_parts_and_characters_and_no_more() -> None:
    full = {str(number): "" for number in range(GATHERED_MAX)}
    check_gathered("tags", full, {"0": "another value"})
    check_gathered("tags", {**full, "one more": ""}, {"0": "of before there was a bound"})
    for before, new in ((full, {"one more": ""}), ({"k": "x" * GATHERED_CHARACTERS_MAX}, {"l": "y"})):
        with pytest.raises(Refused) as refused:
            check_gathered("tags", before, new)
        assert refused.value.code == "request.too_many_parts" and "artifact" in refused.value.detail
