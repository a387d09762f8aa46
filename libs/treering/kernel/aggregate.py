"""The functional core's one shape: decide what happens, evolve what is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import reduce
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Struct

from treering.kernel.stored import StoredDecoder
from treering.kernel.upcasters import EventDecoder, Upcast

C = TypeVar("C")
E = TypeVar("E")
S = TypeVar("S")
ANY_SERVICE = "services"  # ``sent_by`` of what each service may ask, and no user


class Command(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What someone asks for, in the imperative. ``sent_by`` is the service that may ask it."""

    sent_by: ClassVar[str] = "gateway"


class Event(Struct, frozen=True, omit_defaults=True):
    """What happened, in the past tense. The tag is stable for ever; new fields get defaults."""


class Summary(Struct, frozen=True, omit_defaults=True):
    """What every list shows of a resource, whatever its kind."""

    status: str
    parent: str = ""  # what it belongs to, e.g. a job's experiment
    labels: dict[str, str] = {}
    archived: bool = False


class Birth(NamedTuple):
    """Where a resource came to be: None and "" are when its commit was made, and by whom."""

    at: datetime | None = None
    by: str = ""


class Aggregate(Generic[C, E, S]):
    """One resource kind: its commands, events and states, and the two pure functions between them.

    ``decide(state, command)`` returns the events that follow, ``[]`` when there is nothing to do, or
    raises ``Refused``. ``evolve(state, event)`` never raises. ``summary(state)`` feeds the lists. ``upcasters``
    maps each retired event type to what it is today (see ``kernel/upcasters.py``). ``birth(event)`` is for kinds whose
    key can be used again: where what the key names came to be, when it is another from that event on.
    ``shown_statuses`` are those that summaries have beside the state's own. ``told``: by event type the
    fields (``a.b``) that subscribers see, where that is not all; one that is added later is told when it stands here.
    """

    def __init__(
        self,
        kind: str,
        *,
        state: type[S],
        commands: Any,
        events: Any,
        decide: Callable[[S, C], list[E]],
        evolve: Callable[[S, E], S],
        summary: Callable[[S], Summary],
        upcasters: Mapping[str, Upcast] = {},
        birth: Callable[[E], Birth | None] | None = None,
        shown_statuses: tuple[str, ...] = (),
        told: Mapping[str, tuple[str, ...]] = {},
    ) -> None:
        self.kind = kind
        self.state = state
        self.initial = state()
        self.decide = decide
        self.evolve = evolve
        self.summary = summary
        self.birth = birth
        self.told = told
        self.command_types: dict[str, type[Command]] = tagged(commands)
        self.event_types: dict[str, type[Event]] = tagged(events)
        self.commands: msgspec.json.Decoder[C] = msgspec.json.Decoder(commands)
        self.events: EventDecoder[E] = EventDecoder(events, self.event_types, upcasters)
        self.statuses = frozenset((*words(get_type_hints(state).get("status")), *shown_statuses))
        self.states: StoredDecoder[S] = StoredDecoder(state)

    def fold(self, events: Iterable[E], state: S | None = None) -> S:
        return reduce(self.evolve, events, self.initial if state is None else state)

    def born(self, events: Iterable[E]) -> Birth | None:
        """Where what the key names came to be, if one of these events says that it is another now."""
        if self.birth is None:
            return None
        found = [birth for event in events if (birth := self.birth(event))]
        return found[-1] if found else None


def tagged(union: Any) -> dict[str, Any]:
    """The structs of a union (or a single struct) by their tags."""
    structs: Sequence[type[Struct]] = get_args(union) or (union,)
    return {str(struct.__struct_config__.tag): struct for struct in structs}


def words(literal: Any) -> list[str]:
    """The values of a ``Literal``, or of a union of some."""
    return [word for one in get_args(literal) for word in (words(one) if get_args(one) else [str(one)])]
