"""What the notifier is asked about webhooks, and what it answers."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from treering.kernel.bounds import Line, Name, Names, Position

LIMIT_MAX = 1000
Limit = Annotated[int, Meta(ge=1, le=LIMIT_MAX)]


class AddressCheck(Struct, frozen=True, forbid_unknown_fields=True):
    """May this URL be connected to, as far as can be told now?"""

    url: Line


class AddressAnswer(Struct, frozen=True):
    """``known`` False: the name does not resolve yet. ``allowed``: the operator let all it leads to through."""

    known: bool
    allowed: bool = False


class WebhookQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """About the webhook as it is at ``position``: the notifier hears of a change a little later than who made it."""

    workspace: Name
    name: Name
    position: Position = 0


class TestQuery(WebhookQuery, frozen=True, forbid_unknown_fields=True):
    """Send one message that is no event; ``type`` is one of MLflow's."""

    type: Name = ""


class TestAnswer(Struct, frozen=True):
    """One delivery that is not an event: ``status`` 0 when there was no answer. ``answer``: how its body began."""

    ok: bool
    status: int
    why: str
    milliseconds: float
    answer: str = ""


class DeliveryAnswer(Struct, frozen=True):
    """All up to ``position`` was delivered, is ``retrying``, or is ``dead``. ``dropped``: dead ones there was no room
    for. ``last_failure``: what the sink answered last when it did not take an event. ``note``: what became of the rest
    when the log was restored."""

    position: int
    head: int
    delivered: int
    retrying: int
    dead: int
    dropped: int
    last_failure: str = ""
    note: str = ""


class DeadQuery(WebhookQuery, frozen=True, forbid_unknown_fields=True):
    limit: Limit = 100
    page: Line = ""


class DeadLetter(Struct, frozen=True):
    id: str  # the webhook-id it was sent with: [<epoch>:]<position>.<number>
    position: int
    attempts: int
    given_up_at: str
    why: str


class DeadAnswer(Struct, frozen=True):
    """Oldest first; ``next`` is the ``page`` to ask for then."""

    items: list[DeadLetter]
    next: str = ""


class RedeliverQuery(WebhookQuery, frozen=True, forbid_unknown_fields=True):
    """``ids`` of dead letters; none is all of them."""

    ids: Names = []


class RedeliverAnswer(Struct, frozen=True):
    count: int
