"""Have the log told which resources a view cannot show: an alert for each, cleared when it is shown again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial

import structlog

from treering.adapters.alerts import Alerts
from treering.adapters.incomplete import LOG, Incomplete, incomplete_rows, position_reached, refused
from treering.adapters.sqlite_view import SqliteView
from treering.domain.installation import DETAIL_CHARACTERS_MAX, INSTALLATION, Alert, RaiseAlert, alert_address
from treering.kernel.log import LogUnavailable
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.views.queries import INCOMPLETE_MAX, IncompleteRow
from treering.views.states import with_status

INCOMPLETE = "view.incomplete"
UNDECODABLE = "message.undecodable"  # bytes in a stream that are no message of ours, about no resource
ALERTS_MAX = 100  # of one view; `treering doctor` lists more
AGAIN_SECONDS = 60.0
RETRY_SECONDS = 5.0
log = structlog.get_logger()
Raised = Sequence[tuple[Address, Alert]]


async def report_incomplete(view: SqliteView, alerts: Alerts, raised: Callable[[], Awaitable[Raised]]) -> None:
    """Until cancelled. ``raised`` gives the alerts that the log says are raised now."""
    while True:
        view.set_aside.clear()
        try:
            done = await report_once(view, alerts, await raised())
        except (LogUnavailable, Refused) as error:  # the view that says what is raised is being made again, say
            log.info("alert.later", view=view.name, why=str(error))
            done = False
        except Exception:  # to tell of what is wrong must not make it worse
            log.exception("alert.not_reported", view=view.name)
            done = False
        with suppress(TimeoutError):
            async with asyncio.timeout(AGAIN_SECONDS if done else RETRY_SECONDS):
                await view.set_aside.wait()


async def report_once(view: SqliteView, alerts: Alerts, raised: Raised) -> bool:
    """False when the log did not take all of it."""
    known = {address: alert for address, alert in raised if part_of(alert) == view.name}
    rows = await view.when_sound(incomplete_rows)
    wanted = [alert_of(view.name, row) for row in rows]
    new = [alert for alert in wanted if alert_address(alert) not in known]
    done = [await alerts.raise_alert(alert) for alert in new[: max(ALERTS_MAX - len(known), 0)]]
    still = {alert_address(alert) for alert in wanted}
    for address, alert in known.items():
        if address in still:
            continue
        if alert.position <= await view.when_sound(partial(position_reached, stream=stream_of(alert))):
            done.append(await alerts.clear_alert(address, f"{alert.resource or alert.detail} is shown again"))
    return all(done)


async def incomplete_in(*views: SqliteView) -> list[IncompleteRow]:
    """What these views cannot show, in the form of a status."""
    return [
        IncompleteRow(
            view.name, row.address.workspace if row.address else "", row.said, row.stream, row.position, row.why
        )
        for view in views
        if view.incomplete
        for row in await view.when_sound(partial(incomplete_rows, limit=INCOMPLETE_MAX))
    ]


def stream_of(alert: Alert) -> str:
    return alert.part.partition(".")[2].upper() or LOG


def part_of(alert: Alert) -> str:
    """The view that raised it, "" for an alert of another sort."""
    return alert.part.partition(".")[0] if alert.code in (INCOMPLETE, UNDECODABLE) else ""


def alert_of(view: str, row: Incomplete) -> RaiseAlert:
    address = row.address
    return RaiseAlert(
        INCOMPLETE if address else UNDECODABLE,
        refused(row).detail[:DETAIL_CHARACTERS_MAX],
        part=view if row.stream == LOG else f"{view}.{row.stream.lower()}",
        workspace=address.workspace if address else "",
        resource=row.said[:1000],
        position=row.position,
    )


async def raised_in(states: SqliteView) -> Raised:
    """What the states view says is raised."""
    found = await states.read(lambda db: with_status(db, INSTALLATION.kind, ["raised"]))
    return [(address, alert) for address, alert, _ in found]
