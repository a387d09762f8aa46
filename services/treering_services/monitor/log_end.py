"""Positions that the log does not have yet: what is asked about one would be answered as if it were about now."""

from __future__ import annotations

from treering.kernel.refusal import Refused
from treering.views.moments import moment
from treering_services.monitor.question import Asked


async def check_written(monitor: Asked, text: str, field: str, *, next: bool = False) -> None:
    """``Refused("query.beyond_log")`` for a position behind the log's head, whatever the views show by now; the one
    that comes ``next`` is none where a question is about what there is from then on. Times are left alone."""
    position = moment(text, field)
    if isinstance(position, str) or position <= monitor.projector.position:
        return
    head = await monitor.head()
    if position > head + next:
        why = f"{field} is position {position}, and the log's last is {head}: nothing is known of later ones"
        raise Refused("query.beyond_log", why)


async def check_window_written(monitor: Asked, since: str, until: str) -> None:
    """The same for both ends of a window, each of which may be left out."""
    if since:
        await check_written(monitor, since, "since", next=True)
    if until:
        await check_written(monitor, until, "until")
