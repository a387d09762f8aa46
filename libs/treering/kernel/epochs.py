"""Which log a position belongs to: a restore begins an epoch, and the id of an event names the one it was stored in.

    1:  1 ---------- 90 -- 100          the log that was backed up at 90
                      |
    90-ab12:          91 -- 120         the backup was restored: what stood behind 90 is another history now
                             |
    90-ab12_120-cd34:        121 --     and restored once more

The name of an epoch is the way to it: a part for each restore, with the position behind which it began and a random
mark. So two names alone tell how far their logs agree, also when one log has never heard of the other's epoch.

A new home begins with a part of its own, ``0-9f31c2``, so that one which was deleted and made again is another log.
Logs of earlier releases began without; for both, an epoch that is left out (or ``1``) is the one they began in.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from msgspec import Struct

from treering.kernel.refusal import Refused
from treering.kernel.shared_limits import THIS_LOG

FIRST = "1"  # as it is called; in ids it is left out
PARTS_MAX = 6  # of a name; of a longer way the beginning is left out, and the name starts with "_"
EPOCH = re.compile(r"[A-Za-z0-9_\-]{1,250}")
MARK = re.compile(r"[a-z0-9]{1,32}")
PART = re.compile(r"([0-9]{1,16})-([a-z0-9]{1,32})")
ID = re.compile(r"(?:([^:]*):)?([0-9]{1,18})(?:\.([0-9]{1,18}))?", re.ASCII)


class Part(NamedTuple):
    """A restore: the new log holds the old one up to ``after``."""

    after: int
    mark: str

    def __str__(self) -> str:
        return f"{self.after}-{self.mark}"


class Begun(Struct, frozen=True):
    """An epoch: its name, and the position behind which it begins."""

    name: str
    after: int


class Place(NamedTuple):
    """What an id says: behind commit ``after`` of an epoch and the first ``skip`` events of the next commit; epoch ""
    is the first."""

    epoch: str
    after: int
    skip: int

    @property
    def text(self) -> str:
        at = f"{self.after + 1}.{self.skip - 1}" if self.skip else str(self.after)
        return f"{self.epoch}:{at}" if self.epoch else at

    @property
    def position(self) -> int:
        """The newest commit that was seen, some of it at least."""
        return self.after + 1 if self.skip else self.after


class Lineage(Struct, frozen=True):
    """The epochs of one log in order, without the first when that has no name."""

    epochs: tuple[Begun, ...] = ()

    @property
    def current(self) -> str:
        return self.epochs[-1].name if self.epochs else FIRST

    def with_epoch(self, name: str, after: int) -> Lineage:
        """Also when this log went back: epochs that began further on are no part of it any more."""
        return Lineage((*self.up_to(after).epochs, Begun(name, after)))

    def up_to(self, position: int) -> Lineage:
        """That of the log as it was at ``position``."""
        if not self.epochs or self.epochs[-1].after < position:
            return self
        return Lineage(tuple(one for one in self.epochs if one.after < position))

    def epoch_of(self, position: int) -> str:
        """The epoch in which the commit at ``position`` was stored; "" is the first."""
        for one in reversed(self.epochs):
            if one.after < position:
                return one.name
        return ""

    def id(self, position: int, index: int | None = None) -> str:
        """``EPOCH:POSITION.INDEX`` of an event, or without the index a position."""
        epoch = self.epoch_of(position)
        text = f"{epoch}:{position}" if epoch else str(position)
        return text if index is None else f"{text}.{index}"

    def common(self, epoch: str, head: int) -> int:
        """The last position at which this log, which ends at ``head``, and the newest one of ``epoch`` agree; 0 when
        nothing is known about that one."""
        here = tuple(part_of(one.name) for one in self.epochs)
        there = self.way_to(epoch, here)
        if there is None:
            return 0
        shared = sum(1 for _ in shared_parts(here, there))
        ends = [head, *(one.after for way in (here, there) for one in way[shared : shared + 1])]
        return min(ends)

    def way_to(self, epoch: str, here: tuple[Part, ...]) -> tuple[Part, ...] | None:
        """The parts of its name, from the first log on; None when that cannot be told."""
        if epoch == THIS_LOG:
            return here
        if epoch in ("", FIRST):
            return here[:1] if here and here[0].after == 0 else ()  # the log was given a name at its beginning
        names = epoch.removeprefix("_").split("_")
        way = tuple(Part(int(found[1]), found[2]) for name in names if (found := PART.fullmatch(name)))
        if len(way) < len(names):
            return None
        if not epoch.startswith("_"):
            return way
        return here[: here.index(way[0])] + way if way[0] in here else None


def check_common(lineage: Lineage, place: Place, head: int, field: str) -> None:
    """``Refused("position.other_log")`` for a place behind the last position that its log has in common with this one,
    which ends at ``head``; ``field`` is what says the place."""
    common = lineage.common(place.epoch, head)
    if place.position <= common:
        return
    epoch, current = place.epoch or FIRST, lineage.current
    more: dict[str, str | int] = {"epoch": current, "head": head, "common": common}
    why = f"{field} is {place.text}, and the log ends at {head}; go on behind {current}:{common}, or say 'now'. "
    if common == head:
        why += "Was a backup put back? Then what came after it is gone"
    else:
        why += f"The log was restored, and what epoch {epoch!r} had behind position {common} is gone from it"
    raise Refused("position.other_log", why, more)


def shared_parts(here: tuple[Part, ...], there: tuple[Part, ...]) -> list[Part]:
    shared: list[Part] = []
    for one, other in zip(here, there, strict=False):
        if one != other:
            break
        shared.append(one)
    return shared


def part_of(name: str) -> Part:
    """The last restore on the way to an epoch."""
    after, _, mark = name.rpartition("_")[2].partition("-")
    return Part(int(after), mark)


def next_name(previous: str, after: int, mark: str) -> str:
    """The name of the epoch that begins behind ``after`` of the log whose newest epoch is ``previous``."""
    names = [] if previous in ("", FIRST) else previous.split("_")
    names.append(str(Part(after, mark)))
    return "_".join(names if len(names) <= PARTS_MAX else ["", *names[-PARTS_MAX:]])


def names_epoch(text: str) -> bool:
    """Whether ``text`` begins with an epoch and a colon, as no time does."""
    epoch, colon, _ = text.partition(":")
    parts = epoch.removeprefix("_").split("_")
    return bool(colon) and (epoch in (FIRST, THIS_LOG) or all(PART.fullmatch(part) for part in parts))


def read_id(text: str) -> Place | None:
    """What the id of an event, or a position with or without an epoch, says; None for any other text."""
    found = ID.fullmatch(text)
    if found is None or (found[1] is not None and not EPOCH.fullmatch(found[1])):
        return None
    epoch, position, index = found[1] or "", int(found[2]), found[3]
    if index is None:
        return Place(epoch, position, 0)
    return Place(epoch, position - 1, int(index) + 1) if position else None
