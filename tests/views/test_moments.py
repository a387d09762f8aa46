"""One text form of a time, whose order is the order of time; and what is no moment."""

from __future__ import annotations

import pytest

from treering.kernel.refusal import Refused
from treering.views.moments import fixed_time, moment

DIGITS = (20, 400, 5000)  # more than a position has
EXACT = "2026-01-31T23:59:59.000000Z"


@pytest.mark.parametrize("at", ["2026-01-31T23:59:59Z", "2026-02-01T00:59:59+01:00", "2026-01-31T23:59:59.000Z", EXACT])
def test_every_way_to_write_a_time_becomes_the_one_form(at: str) -> None:
    assert fixed_time(at) == moment(at, "at") == EXACT


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "2026-13-01",
        "2026-99-99T99:99:99Z",
        "2026-99-99T99:99:99.000000Z",
        "-1",
        *("1" * n for n in DIGITS),
    ],
)
def test_what_is_neither_a_position_nor_a_time_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refused:
        moment(text, "at")
    assert refused.value.code == "query.bad_moment"
