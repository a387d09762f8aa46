"""A time says which moment it is, or it is refused."""

from __future__ import annotations

import pytest

from treering.kernel.refusal import Refused
from treering.kernel.rfc3339 import moment

FORM, OFFSET, LEAP = "must be as", "no offset from UTC", "a leap second is 23:59:60"


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00+00:00"),
        ("2026-01-31t12:00:00z", "2026-01-31T12:00:00+00:00"),
        ("2026-01-31 12:00:00Z", "2026-01-31T12:00:00+00:00"),
        ("2026-01-31T12:00:00.123456+23:59", "2026-01-31T12:00:00.123456+23:59"),
        ("2024-02-29T00:00:00-00:00", "2024-02-29T00:00:00+00:00"),
        ("0001-01-01T00:00:00-23:59", "0001-01-01T00:00:00-23:59"),
        ("9999-12-31T23:59:59+14:00", "9999-12-31T23:59:59+14:00"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00+00:00"),
        ("2016-12-31T23:59:60.5z", "2017-01-01T00:00:00.500000+00:00"),
        ("2017-01-01T01:59:60+02:00", "2017-01-01T02:00:00+02:00"),
        ("2016-12-31T15:59:60-08:00", "2016-12-31T16:00:00-08:00"),
    ],
)
def test_a_time_of_rfc_3339_is_that_instant(text: str, instant: str) -> None:
    assert moment(text).isoformat() == instant


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2026-01-31T12:00:00", OFFSET), ("2026-01-31T12:00:00.5", OFFSET), ("2016-12-31T23:59:60", OFFSET),
        ("2026-01-31T12:59:60Z", LEAP), ("2016-12-31T23:59:60+02:00", LEAP), ("2016-12-30T23:59:60Z", LEAP),
        ("2017-01-01T01:29:60+02:00", LEAP), ("2016-12-31T23:58:60Z", LEAP),
        ("9999-12-31T23:59:60Z", FORM), ("0001-01-01T00:00:00+14:00", FORM), ("0000-01-01T00:00:00Z", FORM),
        ("9999-12-31T23:59:59-14:00", FORM), ("2026-01-31T12:00:00+24:00", FORM), ("2026-01-31T12:00:00+02:60", FORM),
        ("2026-01-31T12:00:00+0200", FORM), ("2026-01-31T12:00:00+02", FORM), ("2026-01-31T12:00Z", FORM),
        ("2026-01-31T24:00:00Z", FORM), ("2026-02-29T00:00:00Z", FORM), ("2026-13-01T00:00:00Z", FORM),
        ("2026-01-31T12:00:61Z", FORM), ("2026-01-31T12:00:00,5Z", FORM), ("2026-01-31T12:00:00.Z", FORM),
        ("20260131T120000Z", FORM), ("2026-W05-6T12:00:00Z", FORM), ("2026-01-31", FORM), ("1234567890", FORM),
        ("+2026-01-31T12:00:00Z", FORM), ("\u0662026-01-31T12:00:00Z", FORM), ("soon", FORM), ("", FORM),
        ("2026-01-31T12:00:00Z\n", FORM), (" 2026-01-31T12:00:00Z", FORM), ("2026-01-31_12:00:00Z", FORM),
    ],
)  # fmt: skip
def test_what_is_no_moment_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(Refused, match=r"event\.malformed") as refused:
        moment(text)
    assert why in refused.value.detail
