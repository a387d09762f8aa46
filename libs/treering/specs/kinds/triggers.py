"""When something happens: cron expressions and recurrences."""

from __future__ import annotations

import re
from datetime import datetime

from treering.specs.checks import Check, filled, integer, one_of, text
from treering.specs.nodes import Node, Report, Scalar, shown
from treering.specs.shapes import list_of, record, shaped, tagged

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
CRON_FIELD = r"[0-9A-Za-z*/,\-]+"
CRON = re.compile(rf"{CRON_FIELD}(\s+{CRON_FIELD}){{4}}")


def moment(node: Node, key: str, report: Report) -> None:
    """A date and time as ISO 8601 writes it."""
    try:
        datetime.fromisoformat(str(node.value) if isinstance(node, Scalar) else "")
    except ValueError:
        report.add(node.at, key, f"{shown(node)} is no time: write 2026-01-31T10:00:00")


def cron(node: Node, key: str, report: Report) -> None:
    if not isinstance(node, Scalar) or not CRON.fullmatch(str(node.value).strip()):
        message = f"{shown(node)} is no cron expression: minute, hour, day, month, weekday, such as '0 8 * * 1'"
        report.add(node.at, key, message)


def one_or_more(check: Check) -> Check:
    return shaped(scalar=check, items=list_of(check))


TRIGGER: dict[str, Check] = {"type": text, "start_time": moment, "end_time": moment, "time_zone": filled}
trigger = tagged(
    "type",
    {
        "cron": record({**TRIGGER, "expression": cron}, required=("expression",)),
        "recurrence": record(
            {
                **TRIGGER,
                "frequency": one_of("minute", "hour", "day", "week", "month"),
                "interval": integer(1),
                "schedule": record(
                    {
                        "hours": one_or_more(integer(0, 23)),
                        "minutes": one_or_more(integer(0, 59)),
                        "week_days": one_or_more(one_of(*DAYS)),
                        "month_days": one_or_more(integer(1, 31)),
                    },
                    required=("hours", "minutes"),
                ),
            },
            required=("frequency", "interval"),
        ),
    },
)
