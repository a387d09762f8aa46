"""Tickets: how a page in a browser watches events. Its EventSource can send no Authorization header, and a token in an
address would end up in every log on the way; a ticket in an address is good for little and not for long.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from msgspec import Struct
from starlette.responses import Response

from treering.adapters.subscribers import Subscriber
from treering.kernel.clock import monotonic_seconds
from treering.kernel.refusal import Refused
from treering.kernel.resource_name import ResourceName
from treering.kernel.subjects import checked_name
from treering_services.gateway.access_files import subscriber_address
from treering_services.gateway.call import QUERY_FIELDS_MAX, Call, Caller, reply

if TYPE_CHECKING:
    from treering_services.gateway.core import Gateway

TICKET_SECONDS = 300
TICKETS_MAX = 10_000
OVER = f"the ticket is not known here, or its {TICKET_SECONDS} s are over; POST /v1/events/ticket gives another"


class Ticket(Struct, frozen=True):
    """``caller`` is let in as; ``subscriber`` must still be who it was, None for the owner."""

    caller: Caller
    until_seconds: float
    asker: str
    subscriber: Subscriber | None = None


class Tickets:
    """Those of one gateway, in its memory only: a restart forgets them. Whoever asks has at most half of what the
    others leave, so that there is always one left for somebody else."""

    def __init__(self) -> None:
        self.known: dict[str, Ticket] = {}
        self.of: Counter[str] = Counter()

    def issue(self, caller: Caller, subscriber: Subscriber | None, asker: str) -> str:
        """``asker``: the key of whose token asks for it."""
        now = monotonic_seconds()
        while self.known and next(iter(self.known.values())).until_seconds <= now:  # the oldest stands first
            self.of -= Counter((self.known.pop(next(iter(self.known))).asker,))  # forgets it at 0
        if len(self.known) >= TICKETS_MAX:
            raise Refused("service.busy", f"{TICKETS_MAX} tickets are good now, the most there may be; try again")
        own = self.of[asker]
        if 2 * own >= TICKETS_MAX - (len(self.known) - own):
            why = f"{own} tickets that this token asked for are good now, as many as others leave it"
            raise Refused("caller.busy", f"{why}; each is over {TICKET_SECONDS} s after it was made")
        text = secrets.token_urlsafe(32)
        self.known[text] = Ticket(caller, now + TICKET_SECONDS, asker, subscriber)
        self.of[asker] += 1
        return text

    def read(self, text: str) -> Ticket:
        found = self.known.get(text)
        if found is None or found.until_seconds <= monotonic_seconds():
            raise Refused("auth.ticket", OVER)
        return found


class TicketRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """``ws``: the ticket is good for the events of this workspace only; "": for all that the token may watch."""

    ws: ResourceName = ""


class TicketAnswer(Struct, frozen=True):
    ticket: str
    seconds: int


async def make_ticket(call: Call) -> Response:
    asked = await call.json(TicketRequest)
    gateway, caller, asker = call.gateway, call.caller, call.caller.key
    workspace = checked_name(asked.ws, "ws") if asked.ws else caller.workspace
    if caller.workspace not in ("", workspace):
        raise Refused("auth.forbidden", f"this token is good for the events of workspace {caller.workspace!r} only")
    subscriber = None
    if caller.policy == "subscriber":
        subscriber = await asyncio.to_thread(gateway.subscribers.named, caller.name)
    elif workspace:
        await gateway.require_workspace(workspace)
        caller = Caller("subscriber", caller.actor, workspace)  # no more than that, whatever the token may do
    return reply(TicketAnswer(gateway.tickets.issue(caller, subscriber, asker), TICKET_SECONDS), 201)


def ticket_in(call: Call) -> str:
    """The ticket in the query string, "" when there is none."""
    text = call.scope["query_string"].decode("latin-1")
    try:
        return str(dict(parse_qsl(text, max_num_fields=QUERY_FIELDS_MAX)).get("ticket", ""))
    except ValueError:
        return ""


async def ticket_caller(gateway: Gateway, text: str) -> Caller:
    """Whose ticket it is. A subscriber that was removed, or has a new token, is let in no more."""
    ticket = gateway.tickets.read(text)
    if (subscriber := ticket.subscriber) is not None:
        await gateway.access.require(subscriber_address(subscriber))
        if await asyncio.to_thread(gateway.subscribers.named, subscriber.name) != subscriber:
            raise Refused("auth.ticket", OVER)
    return ticket.caller
