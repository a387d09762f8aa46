"""A moment may be said by how long ago it is, in every verb that takes one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import click
import pytest
from tests.cli.conftest import Treering

from treering.cli.main import root
from treering.cli.moments import DAY, MOMENT, SINCE, time_of

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=timezone(timedelta(hours=2)))
AGO = {
    "-1h": 3600, "1h": 3600, "1H": 3600, "-30m": 1800, "30 minutes": 1800, "90s": 90, "7d": 604_800, "-2w": 1_209_600,
    "1h30m": 5400, "-1.5h": 5400, "2 days ago": 172_800, "1 hour 5 min ago": 3900, "0s": 0, "1d12h": 129_600,
    "PT1H": 3600, "-P1DT30M": 88_200, "P2W": 1_209_600,
}  # fmt: skip


@pytest.mark.parametrize(("text", "seconds"), AGO.items())
def test_a_moment_is_said_by_how_long_ago_it_is(text: str, seconds: float) -> None:
    assert time_of(text, NOW) == NOW - timedelta(seconds=seconds)


def test_a_day_begins_where_its_people_are() -> None:
    assert time_of("today", NOW) == datetime(2026, 3, 1, tzinfo=NOW.tzinfo)
    assert time_of("Yesterday", NOW) == datetime(2026, 2, 28, tzinfo=NOW.tzinfo)
    assert time_of("now", NOW) == NOW


@pytest.mark.parametrize(
    "text", ["0", "1234", "2026-01-31", "2026-01-31T12:00:00Z", "1:17.0", "next", "1x", "h", "", "1y", "P", "PT"]
)
def test_any_other_text_is_sent_as_it_is(text: str) -> None:
    assert time_of(text, NOW) is None and MOMENT.convert(text, None, None) == text


@pytest.mark.parametrize("text", ["-1", "-1x", "--since", "-h1"])
def test_what_begins_with_a_dash_and_is_no_moment_is_refused_with_what_to_say(text: str) -> None:
    with pytest.raises(click.BadParameter, match="such as -1h, 30m, 7d or yesterday"):
        MOMENT.convert(text, None, None)


def test_before_all_time_is_the_beginning_of_time() -> None:
    assert MOMENT.convert("999999999w", None, None).startswith("0001-01-01")


def test_the_end_of_the_log_and_days_have_their_own_form() -> None:
    assert SINCE.convert("now", None, None) == "now"
    assert SINCE.convert("-1h", None, None).endswith("+00:00")
    assert DAY.convert("today", None, None) == datetime.now(UTC).date().isoformat()
    assert len(DAY.convert("7d", None, None)) == len("2026-01-31") and "T" in DAY.convert("-1h", None, None)


def options(command: click.Command, context: click.Context, name: str = "") -> dict[str, Any]:
    """Every option below ``command`` whose help says that it takes a time."""
    if isinstance(command, click.Group):
        found: dict[str, Any] = {}
        for one in command.list_commands(context):
            below = command.get_command(context, one)
            assert below is not None
            found |= options(below, context, f"{name} {one}")
        return found
    times = [one for one in command.params if one.metavar and ("TIME" in one.metavar or "DAY" in one.metavar)]
    return {f"{name} {one.opts[0]}": one for one in times}


def test_every_option_that_takes_a_time_takes_how_long_ago() -> None:
    found = options(root, click.Context(root))
    assert len(found) >= 15
    for name, option in found.items():
        assert option.type.convert("-1h", None, None) != "-1h", name


VERBS = [
    ("audit", "query", "--since"), ("audit", "query", "--until"), ("audit", "count", "--by", "hour", "--since"),
    ("audit", "ask", "changed", "--since"), ("usage", "--since"), ("events", "--since"), ("job", "list", "--at"),
    ("model", "list", "--at"), ("experiment", "list", "--at"), ("diff", "workspace", "--from"),
]  # fmt: skip


def test_the_verbs_take_it(online: Treering) -> None:
    for verb in VERBS:
        for said in (["-1h"], ["yesterday"] if "--at" not in verb else ["0s"]):
            done = online(*verb, *said)
            assert done.returncode == 0, (verb, said, done.stderr)
    hour = f"{datetime.now(UTC):%Y-%m-%dT%H}:00Z"
    assert hour[:13] in online("audit", "count", "--by", "hour", "--since=-2h", "-o", "csv").stdout
