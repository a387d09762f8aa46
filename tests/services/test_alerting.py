"""The alert of a resource that a view cannot show is raised once, and cleared when the view shows it."""

from __future__ import annotations

import asyncio

import pytest
import structlog
from tests.adapters.test_incomplete import BAD, a_poisoned_log

from treering.adapters.alerts import Alerts
from treering.adapters.sqlite_view import SqliteView
from treering.domain.installation import INSTALLATION, Alert, ClearAlert, RaiseAlert
from treering.kernel.aggregate import Command
from treering.kernel.ending import end
from treering.kernel.projector import ViewDamaged
from treering.kernel.subjects import Address
from treering.views.states import StatesView
from treering_services.alerting import Raised, report_incomplete, report_once

pytestmark = pytest.mark.anyio


class Told(Alerts):
    """Folds what it is told; ``away`` is a log that does not answer."""

    def __init__(self, *, away: bool = False) -> None:
        self.away = away
        self.states: dict[Address, Alert] = {}
        self.events: list[str] = []

    async def send(self, address: Address, command: Command) -> bool:
        if self.away:
            return False
        assert isinstance(command, RaiseAlert | ClearAlert)
        before = self.states.get(address, INSTALLATION.initial)
        decided = INSTALLATION.decide(before, command)
        self.states[address] = INSTALLATION.fold(decided, before)
        self.events += [str(event.__struct_config__.tag) for event in decided]
        return True

    @property
    def raised(self) -> list[tuple[Address, Alert]]:
        return [(address, alert) for address, alert in self.states.items() if alert.status == "raised"]


async def view_of(poison: bytes) -> SqliteView:
    view = SqliteView(StatesView(), ":memory:")
    await view.open()
    await view.apply(a_poisoned_log(poison))
    return view


async def test_an_alert_is_raised_once_with_resource_and_position() -> None:
    view, told = await view_of(b"no commit"), Told()
    for _ in range(3):
        assert await report_once(view, told, told.raised)
    (alert,) = told.states.values()
    assert (alert.code, alert.part, alert.resource, alert.position) == ("view.incomplete", "states", str(BAD), 3)
    assert told.events == ["installation.alert"]
    await view.close()


async def test_an_alert_is_cleared_when_the_view_shows_the_resource() -> None:
    broken, told = await view_of(b"no commit"), Told()
    await report_once(broken, told, told.raised)
    # A view that has not come so far yet says nothing; one that has, and leaves nothing out, clears it.
    empty = SqliteView(StatesView(), ":memory:")
    await empty.open()
    await report_once(empty, told, told.raised)
    assert told.events == ["installation.alert"]
    await empty.apply([entry for entry in a_poisoned_log(b"") if entry.subject != BAD.subject])
    await report_once(empty, told, told.raised)
    assert told.events == ["installation.alert", "installation.alert_cleared"] and not told.raised
    for view in (broken, empty):
        await view.close()


async def test_what_the_log_did_not_take_is_to_be_said_again() -> None:
    view, told = await view_of(b"no commit"), Told(away=True)
    assert not await report_once(view, told, told.raised)
    told.away = False
    assert await report_once(view, told, told.raised) and len(told.raised) == 1
    await view.close()


async def test_a_view_of_alerts_that_is_made_again_is_waited_for_without_a_traceback() -> None:
    view, told = await view_of(b"no commit"), Told()
    asked = asyncio.Event()

    async def raised() -> Raised:
        asked.set()
        raise ViewDamaged("view.damaged", "the states view is made again")

    with structlog.testing.capture_logs() as logs:
        telling = asyncio.ensure_future(report_incomplete(view, told, raised))
        await asked.wait()
        await end(telling)
    assert [(one["event"], "exc_info" in one) for one in logs] == [("alert.later", False)]
    await view.close()
