"""Follow what an audit query finds: the live stream says that something came, the audit says what of it matches.

So every condition of the query holds for new events too, and nothing is lost or said twice: the audit's own
page mark is where it goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from treering.cli.session import Session
from treering.client.sse import messages
from treering.kernel.shared_limits import PAGE_MAX
from treering.kernel.shared_limits import THIS_LOG as THIS

if TYPE_CHECKING:
    from treering.client.http import Client


def followed(session: Session, client: Client, rows_max: int, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The newest ``rows_max`` that match, the oldest of them first; then each new one, until there are no more."""
    head = int(client.get("/v1/status")["head"])
    until_now = {**asked, "after": head, "until": asked.get("until") or str(head)}
    newest = list(session.listed(client, "/v1/audit", rows_max, key="rows", **until_now))
    yield from reversed(newest)
    mark = f"{head}.{2**20 - 1}"  # behind the last event the commit at ``head`` could have
    for position in positions(client, head, asked):
        if position > int(mark.partition(".")[0]):
            yield from news(client, mark, position, asked)
            mark = f"{position}.{2**20 - 1}"


def positions(client: Client, after: int, asked: dict[str, Any]) -> Iterator[int]:
    """The position of each event that comes, of the workspace and kind asked for."""
    wanted = {"ws": asked.get("workspace"), "kind": asked.get("kind"), "since": f"{THIS}:{after}", "follow": "true"}
    path = f"/v1/events?{urlencode({name: value for name, value in wanted.items() if value})}"
    for message in messages(client, path):
        yield int(message.id.rpartition(":")[2].partition(".")[0])


def news(client: Client, mark: str, position: int, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What matches behind ``mark``, up to ``position``."""
    until = asked.get("until") or str(position)
    while mark:
        answer = client.get(
            "/v1/audit", **{**asked, "until": until}, oldest_first=True, limit=PAGE_MAX, page=mark, after=position
        )
        yield from answer["rows"]
        mark = answer["next"]
