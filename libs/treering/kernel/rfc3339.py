"""The times that others say, read as RFC 3339 has them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import msgspec

from treering.kernel.refusal import Refused

RFC_3339 = re.compile(
    r"(?P<before>[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:)(?P<second>[0-9]{2})"
    r"(?P<after>(?:\.[0-9]+)?(?P<zone>Z|[+-][0-9]{2}:[0-9]{2})?)",
    re.IGNORECASE,
)


def moment(text: str) -> datetime:
    """The time that an event says, RFC 3339. A leap second is the second after it, as in POSIX.

    Raises ``Refused("event.malformed")`` for what is no time, has no offset, or does not lie in the years 1 to 9999.
    """
    parts = RFC_3339.fullmatch(text)
    if parts is not None and parts["zone"] is None:
        raise wrong_time(text, "it has no offset from UTC, so nobody knows when that was; add Z or one such as +02:00")
    leap = parts is not None and parts["second"] == "60"
    try:
        time = msgspec.convert(f"{parts['before']}59{parts['after']}" if parts and leap else text, datetime)
        time += timedelta(seconds=1 if leap else 0)
        at = time.astimezone(UTC)
    except (msgspec.ValidationError, OverflowError):
        parts = None
    if parts is None:
        raise wrong_time(text, "it must be as 2026-01-31T12:00:00Z, in the years 1 to 9999 of UTC")
    if leap and (at.day, at.hour, at.minute, at.second) != (1, 0, 0, 0):
        raise wrong_time(text, "a leap second is 23:59:60 of UTC, on the last day of a month")
    return time


def wrong_time(text: str, why: str) -> Refused:
    return Refused("event.malformed", f"time is {text!r}; {why}")
