"""A kind that has changed over three releases reads all it ever wrote, and the log stays as it was."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from treering.adapters.memory_log import MemoryLog
from treering.kernel.aggregate import Aggregate, Command, Event, Summary
from treering.kernel.command import Context
from treering.kernel.log import Commit, commit_hash, encoder
from treering.kernel.subjects import Address
from treering.kernel.upcasters import Plain
from treering.kernel.writer import Writer

pytestmark = pytest.mark.anyio
AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
BOX = Address("main", "box", "b")


class Fill(Command, frozen=True, tag="fill"):
    grams: int


class BoxFilled(Event, frozen=True, tag="box.filled_grams"):
    grams: int
    by: str = ""


class BoxLabelled(Event, frozen=True, tag="box.labelled"):
    text: str


class Box(Struct, frozen=True, omit_defaults=True):
    grams: int = 0
    label: str = ""


def evolve(box: Box, event: BoxFilled | BoxLabelled) -> Box:
    if isinstance(event, BoxLabelled):
        return msgspec.structs.replace(box, label=event.text)
    return msgspec.structs.replace(box, grams=box.grams + event.grams)


# Release 1 had kilograms as text and the label with them, release 2 kilograms as a number.
def from_1(event: Plain) -> list[Plain]:
    filled = {"type": "box.filled_kilograms", "kilograms": float(event["weight"])}
    return [filled, {"type": "box.labelled", "text": event["label"]}]


def from_2(event: Plain) -> list[Plain]:
    return [{"type": "box.filled_grams", "grams": round(event["kilograms"] * 1000)}]


def aggregate(upcasters: dict[str, Any]) -> Aggregate[Fill, BoxFilled | BoxLabelled, Box]:
    return Aggregate(
        "box",
        state=Box,
        commands=Fill,
        events=BoxFilled | BoxLabelled,
        decide=lambda box, command: [BoxFilled(command.grams)],
        evolve=evolve,
        summary=lambda box: Summary(box.label),
        upcasters=upcasters,
    )


KIND = aggregate({"box.filled": from_1, "box.filled_kilograms": from_2})
OLD = (
    b'[{"type":"box.filled","weight":"1.5","label":"screws"}]',
    b'[{"type":"box.filled_kilograms","kilograms":0.25},{"type":"box.filled_grams","grams":5}]',
)


async def old_log() -> MemoryLog:
    """What releases 1 and 2 wrote, one commit each."""
    log, prev = MemoryLog(), ""
    for version, events in enumerate(OLD, start=1):
        commit = Commit(f"id{version}", f"c{version}", version, AT, "u_1", prev=prev, events=msgspec.Raw(events))
        body = encoder.encode(commit)
        await log.append(BOX.subject, body, id=commit.id, expected=version - 1)
        prev = commit_hash(BOX.subject, body)
    return log


async def test_a_writer_of_today_goes_on_where_old_releases_ended_and_changes_nothing_they_wrote() -> None:
    log = await old_log()
    before = [entry.body for entry in log.entries]
    writer = Writer(log, KIND)
    written = await writer.execute(BOX, Fill(20), Context("c3", AT, "u_1"))
    assert (written.position, written.version) == (3, 3)
    assert writer.known[BOX].state == Box(1775, "screws")
    assert [entry.body for entry in log.entries[:2]] == before
    assert log.entries[2].commit().prev == log.entries[1].hash()


def test_todays_events_are_decoded_as_if_there_were_no_upcasters() -> None:
    body = encoder.encode([BoxFilled(3, "anna"), BoxLabelled("nails")])
    assert KIND.events.decode(body) == aggregate({}).events.decode(body) == [BoxFilled(3, "anna"), BoxLabelled("nails")]


@pytest.mark.parametrize("wrong", [b'[{"type":"box.burnt"}]', b'[{"type":"box.filled_grams","grams":"many"}]', b"[1]"])
def test_what_no_release_wrote_is_still_an_error(wrong: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        KIND.events.decode(wrong)


def test_a_type_that_is_still_in_use_cannot_be_upcast() -> None:
    with pytest.raises(ValueError, match=r"box\.filled_grams cannot be upcast"):
        aggregate({"box.filled_grams": from_2})


def test_upcasters_that_lead_in_a_circle_are_named() -> None:
    circle = aggregate({"box.a": lambda event: [{"type": "box.b"}], "box.b": lambda event: [{"type": "box.a"}]})
    with pytest.raises(ValueError, match="in a circle"):
        circle.events.decode(b'[{"type":"box.a"}]')
