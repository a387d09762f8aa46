"""Old events are read as today's: upcast when decoded, never rewritten in the log.

A new field gets a default and needs nothing of this. When that is not enough, the event gets a new type, the old
type leaves the kind's union and gets an upcaster here: a pure function from the event as plain JSON to the events
that say the same today. What reads the raw log (audit, proofs, subscribers) still sees what was stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import msgspec

from treering.kernel.stored import StoredDecoder

E = TypeVar("E")
Plain = dict[str, Any]  # an event as JSON says it, its type under "type"
Upcast = Callable[[Plain], list[Plain]]
STEPS_MAX = 32  # releases one event may have to be brought through


class EventDecoder(Generic[E]):
    """Decodes the events of one kind's commits. ``upcasters`` maps each retired type to its function."""

    def __init__(self, events: Any, types: Mapping[str, Any], upcasters: Mapping[str, Upcast]) -> None:
        """Raises ValueError for a type that is both alive and retired: it would never be upcast."""
        if alive := sorted(set(upcasters) & set(types)):
            raise ValueError(f"{', '.join(alive)} cannot be upcast: the kind still has this type")
        self.upcasters = upcasters
        self.now: StoredDecoder[list[E]] = StoredDecoder(list[events])

    def decode(self, data: bytes | msgspec.Raw) -> list[E]:
        """The events of one commit, whatever their size; msgspec.ValidationError for what no release has written."""
        try:
            return self.now.decode(data)
        except msgspec.ValidationError:
            # Only a commit that today's types do not fit is looked at event by event: the others pay nothing.
            if not self.upcasters:
                raise
            old = msgspec.json.decode(data, type=list[Plain])
            if not any(event.get("type") in self.upcasters for event in old):
                raise
        today = [new for event in old for new in upcast(event, self.upcasters)]
        return self.now.decode(msgspec.json.encode(today))

    def check(self, data: bytes | msgspec.Raw) -> None:
        """msgspec.ValidationError for events that are beyond the bounds of their fields: they must not be written."""
        self.now.check(data)


def upcast(event: Plain, upcasters: Mapping[str, Upcast], steps_max: int = STEPS_MAX) -> list[Plain]:
    """What ``event`` is today, through as many releases as lie between; ValueError when that has no end."""
    step = upcasters.get(str(event.get("type")))
    if step is None:
        return [event]
    if steps_max == 0:
        raise ValueError(f"{event['type']} is upcast in a circle")
    return [new for changed in step(event) for new in upcast(changed, upcasters, steps_max - 1)]
