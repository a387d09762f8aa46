"""A witness: a place of somebody else's that is given every new checkpoint of the log.

    (absent) --added--> active --removed--> removed --added--> active

Which there are is kept in a file, so that they can be asked before the log is believed; this is who said so, and when.
"""

from __future__ import annotations

from typing import Literal, assert_never

from msgspec import Struct

from treering.kernel.aggregate import Aggregate, Command, Event, Summary
from treering.kernel.bounds import Title
from treering.kernel.refusal import Refused

TARGET_CHARACTERS_MAX = 4096
Sort = Literal["file", "git", "s3"]


class AddWitness(Command, frozen=True, tag="add"):
    """``found``: nobody said so, it was found in the file; when it was really added is not known."""

    sort: Sort
    target: Title
    required: bool = False
    found: bool = False


class RemoveWitness(Command, frozen=True, tag="remove"):
    found: bool = False


WitnessCommand = AddWitness | RemoveWitness


class WitnessAdded(Event, frozen=True, tag="witness.added"):
    sort: Sort
    target: Title
    required: bool = False
    found: bool = False


class WitnessRemoved(Event, frozen=True, tag="witness.removed"):
    found: bool = False


WitnessEvent = WitnessAdded | WitnessRemoved


class Witness(Struct, frozen=True, omit_defaults=True):
    status: Literal["absent", "active", "removed"] = "absent"
    sort: Literal["", "file", "git", "s3"] = ""
    target: str = ""
    required: bool = False


def evolve(state: Witness, event: WitnessEvent) -> Witness:
    match event:
        case WitnessAdded():
            return Witness("active", event.sort, event.target, event.required)
        case WitnessRemoved():
            return Witness("removed", state.sort, state.target, state.required)
        case _:
            assert_never(event)


def decide(state: Witness, command: WitnessCommand) -> list[WitnessEvent]:
    match command:
        case AddWitness():
            if not 1 <= len(command.target) <= TARGET_CHARACTERS_MAX:
                count = len(command.target)
                raise Refused(
                    "witness.invalid", f"target has {count} characters; 1 to {TARGET_CHARACTERS_MAX} are allowed"
                )
            if state.status != "active":
                return [WitnessAdded(command.sort, command.target, command.required, command.found)]
            if (state.sort, state.target, state.required) == (command.sort, command.target, command.required):
                return []
            raise Refused("witness.exists", "there is a witness of this name already: remove it first")
        case RemoveWitness():
            if state.status == "absent":
                raise Refused("witness.absent", "there is no witness of this name")
            return [WitnessRemoved(command.found)] if state.status == "active" else []
        case _:
            assert_never(command)


def summary(state: Witness) -> Summary:
    return Summary(state.status, parent=state.sort, archived=state.status == "removed")


WITNESS: Aggregate[WitnessCommand, WitnessEvent, Witness] = Aggregate(
    "witness",
    state=Witness,
    commands=WitnessCommand,
    events=WitnessEvent,
    decide=decide,
    evolve=evolve,
    summary=summary,
    told={"witness.added": ("sort", "required", "found")},
)
