"""Times and durations as people read them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
DAY_SECONDS, HOUR_SECONDS, MINUTE_SECONDS = 86_400, 3_600, 60


def parsed_time(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if MOMENT.fullmatch(text) else None


def local(text: str, precision: str = "seconds") -> str:
    """``2026-11-24 05:10:46 +01:00`` for an ISO time; other text as it is."""
    moment = parsed_time(text)
    if moment is None:
        return text
    written = moment.astimezone().isoformat(" ", precision)
    return f"{written[:-6]} {written[-6:]}"


def age_seconds(text: str) -> float:
    """Seconds since an ISO time, 0 when it is none."""
    moment = parsed_time(text)
    return max((datetime.now(UTC) - moment).total_seconds(), 0.0) if moment else 0.0


def between_seconds(start: str, end: str) -> float | None:
    began, ended = parsed_time(start), parsed_time(end)
    return (ended - began).total_seconds() if began and ended else None


def human(seconds: float) -> str:
    """``0.4 s``, ``12 s``, ``3 min 05 s``, ``2 h 10 min``, ``5 d 02 h``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < MINUTE_SECONDS:
        return f"{whole} s"
    if whole < HOUR_SECONDS:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < DAY_SECONDS:
        return f"{whole // HOUR_SECONDS} h {whole % HOUR_SECONDS // 60:02} min"
    return f"{whole // DAY_SECONDS} d {whole % DAY_SECONDS // HOUR_SECONDS:02} h"
