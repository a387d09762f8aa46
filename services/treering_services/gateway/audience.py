"""Commits on their way to those who watch, and who is to be asked about each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from treering.kernel.log import Entry
from treering.kernel.patterns import is_pattern
from treering.kernel.subjects import Address, address_or_none
from treering.views.cloud_events import Numbered, cloud_events
from treering.views.selection import Selection
from treering_services.gateway.tail import written_event


class Frame:
    """A commit in the ring; written once a form, when the first subscriber wants it."""

    __slots__ = ("address", "entry", "epoch", "parts", "position", "read", "types")

    def __init__(self, entry: Entry, epoch: str = "") -> None:
        self.entry = entry
        self.epoch = epoch
        self.position = entry.position
        self.address = address_or_none(entry.subject) or Address("", "", "")  # of no resource: it has no events
        self.read: list[Numbered] | None = None
        self.types: tuple[str, ...] = ()
        self.parts: dict[tuple[bool, bool], list[tuple[str, bytes]]] = {}

    def events(self) -> list[Numbered]:
        """Its events, kept until ``settle``, and their types for ever."""
        if self.read is None:
            self.read = list(cloud_events(self.entry, self.epoch))
            self.types = tuple(dict.fromkeys(one.event.type for one in self.read))
        return self.read

    def event_types(self) -> tuple[str, ...]:
        """Of its events, each once."""
        if not self.types:
            self.events()
        return self.types

    def written(self, lines: bool, plain: bool = False) -> list[tuple[str, bytes]]:
        """Each event's type and bytes."""
        form = (lines, plain)
        if form not in self.parts:
            self.parts[form] = [(one.event.type, written_event(one, lines, plain)) for one in self.events()]
        return self.parts[form]

    def settle(self) -> None:
        """Everybody has been asked: keep no more in memory than what was written."""
        self.read = None


class Watcher(Protocol):
    """Is told of each commit that its selection's address selects."""

    selection: Selection

    def add(self, frame: Frame) -> bool:
        """Whether it wants some of it, and so is to be woken when the hub has gone on."""

    def drop(self, position: int) -> None: ...

    def wake(self) -> None: ...


class Audience:
    """Who watches one address: those of whole types found by the type, so that a thousand of them cost a commit
    no more than the few that it is for; the others, of all types or of ``job.*``, each asked."""

    def __init__(self) -> None:
        self.asked: list[Watcher] = []
        self.by_type: dict[str, list[Watcher]] = {}

    def add(self, watcher: Watcher) -> None:
        for others in self.places(watcher):
            others.append(watcher)

    def remove(self, watcher: Watcher) -> None:
        for others in self.places(watcher):
            others.remove(watcher)
        for type in watcher.selection.types:
            if not self.by_type.get(type, True):
                del self.by_type[type]

    def places(self, watcher: Watcher) -> list[list[Watcher]]:
        types = watcher.selection.types
        if not types or any(map(is_pattern, types)):
            return [self.asked]
        return [self.by_type.setdefault(type, []) for type in types]

    def concerned(self, frame: Frame) -> Sequence[Watcher]:
        """Everybody who may want some of ``frame``, once."""
        if not self.by_type:
            return self.asked
        found = [watcher for type in frame.event_types() for watcher in self.by_type.get(type, ())]
        if len(frame.types) > 1:
            found = list(dict.fromkeys(found))
        return [*self.asked, *found]
