"""Moments in questions and times in tables: one text form, so that text order is time order."""

from __future__ import annotations

from datetime import UTC, datetime

from treering.kernel.refusal import Refused

WIDTH = len("2026-01-31T23:59:59.000000Z")
SECONDS_WIDTH = len("2026-01-31T23:59:59Z")  # how a time without a fraction is written
OFFSET_WIDTH = len("+00:00")
POSITION_MAX = 2**63 - 1
POSITION_DIGITS = len(str(POSITION_MAX))


def fixed_time(at: str) -> str:
    """The time of a commit as UTC with microseconds: ``2026-01-31T23:59:59.000000Z``. ValueError if it is none."""
    if len(at) == WIDTH and at[-1] == "Z":
        return at
    if len(at) == SECONDS_WIDTH and at[-1] == "Z":
        return f"{at[:-1]}.000000Z"
    return time_text(datetime.fromisoformat(at))


def time_text(at: datetime) -> str:
    if at.tzinfo is UTC:  # as every commit is read
        return at.isoformat(timespec="microseconds")[:-OFFSET_WIDTH] + "Z"
    moment = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return moment.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def seconds_between(since: str, until: str) -> float:
    """Between two times in the fixed form; 0 when a clock went back."""
    return max((datetime.fromisoformat(until) - datetime.fromisoformat(since)).total_seconds(), 0.0)


def moment(text: str, field: str) -> int | str:
    """A position, or a time in the fixed form; ``Refused("query.bad_moment")`` for what is neither."""
    digits = text.isascii() and text.isdigit()  # which ISO 8601 would have, without a sign between them
    if digits and len(text) <= POSITION_DIGITS and int(text) <= POSITION_MAX:
        return int(text)
    try:
        if digits:
            raise ValueError
        return time_text(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise Refused("query.bad_moment", f"{field} {text[:40]!r} is neither a position nor an ISO 8601 time") from None
