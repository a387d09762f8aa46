"""Moments as people say them: a position, a time, or how long ago (``-1h``, ``1h30m``, ``7d``, ``2 days ago``,
``yesterday``). What depends on now becomes an ISO 8601 time before it is asked for; all else is sent as it is."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from treering.kernel.shared_limits import THIS_LOG

if TYPE_CHECKING:
    from treering.client.http import Client

UNITS = {
    "s": 1, "sec": 1, "secs": 1, "second": 1, "seconds": 1, "m": 60, "min": 60, "mins": 60, "minute": 60, "minutes": 60,
    "h": 3600, "hr": 3600, "hrs": 3600, "hour": 3600, "hours": 3600, "d": 86_400, "day": 86_400, "days": 86_400,
    "w": 604_800, "week": 604_800, "weeks": 604_800,
}  # fmt: skip
PART = re.compile(r"\s*(?P<count>\d{1,9}(?:\.\d{1,9})?)\s*(?P<unit>[a-z]+)")
AGO = re.compile(rf"-?\s*(?P<parts>(?:{PART.pattern.replace('?P<count>', '').replace('?P<unit>', '')})+)\s*(?:ago)?")
# ISO 8601's durations, as az has them: PT1H.
ISO = re.compile(
    r"-?p(?=.)(?:(?P<w>\d{1,9})w)?(?:(?P<d>\d{1,9})d)?"
    r"(?:t(?=.)(?:(?P<h>\d{1,9})h)?(?:(?P<m>\d{1,9})m)?(?:(?P<s>\d{1,9})s)?)?"
)
CHARACTERS_MAX = 100
TIME = re.compile(r"\d{4}-\d\d-\d\d")
WORDS = {"now": 0, "today": 0, "yesterday": 1}  # how many days before today its first moment is
EXAMPLES = "a position, an ISO 8601 time, or how long ago, such as -1h, 30m, 7d or yesterday"


def seconds_ago(text: str) -> float | None:
    """How many seconds ago ``text`` says; None when it says none."""
    if len(text) > CHARACTERS_MAX:
        return None
    if found := ISO.fullmatch(text.lower()):
        counts = {unit: float(count or 0) for unit, count in found.groupdict().items()}
        return sum(count * UNITS[unit] for unit, count in counts.items())
    if not (found := AGO.fullmatch(text.lower())):
        return None
    parts = [(float(one["count"]), UNITS.get(one["unit"])) for one in PART.finditer(found["parts"])]
    if any(unit is None for _, unit in parts):
        return None
    return sum(count * (unit or 0) for count, unit in parts)


def time_of(text: str, now: datetime) -> datetime | None:
    """The time that ``text`` says by how long ago it is, or by a word; None for any other text. Days begin where the
    zone of ``now`` has them begin."""
    word = text.strip().lower()
    if word == "now":
        return now
    if word in WORDS:
        return (now - timedelta(days=WORDS[word])).replace(hour=0, minute=0, second=0, microsecond=0)
    seconds = seconds_ago(text.strip())
    try:
        return None if seconds is None else now - timedelta(seconds=seconds)
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)


class Moment(click.ParamType[str]):
    """Of an option that takes a position or a time."""

    name = "POSITION|TIME|AGO"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if (at := time_of(text, datetime.now().astimezone())) is not None:
            return at.astimezone(UTC).isoformat()
        if text.startswith("-"):
            self.fail(f"{text!r} is no moment: say {EXAMPLES}", param, ctx)
        return text


class Since(Moment):
    """Of an option that takes a position, a time, or ``now`` as the end of the log."""

    name = "POSITION|now|AGO"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return "now" if str(value).strip().lower() == "now" else super().convert(value, param, ctx)


class Day(click.ParamType[str]):
    """Of an option that takes a day, or a time, of which the hour counts. Both are of UTC, as usage is counted."""

    name = "DAY|AGO"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        at = time_of(str(value), datetime.now(UTC))
        if at is None:
            return str(value)
        whole_days = (seconds_ago(str(value).strip()) or 0) % UNITS["day"] == 0
        return at.date().isoformat() if whole_days else at.isoformat()


MOMENT, SINCE, DAY = Moment(), Since(), Day()


def position_at(client: Client, text: str) -> str:
    """The position, in this log, of the last commit up to a time, 0 when there was none; a text that is no time is as
    it is."""
    if not TIME.match(text):
        return text
    rows = client.get("/v1/audit", until=text, limit=1)["rows"]
    return f"{THIS_LOG}:{rows[0]['position'] if rows else 0}"
