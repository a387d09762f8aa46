"""Laws that hold for every kind, checked on every state that its examples can reach."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from treering.domain import KINDS
from treering.kernel.aggregate import Aggregate
from treering.kernel.log import encoder
from treering.kernel.refusal import Refused
from treering.testing.examples import COMMANDS

STATES_MAX = 2000


def reachable(kind: Aggregate[Any, Any, Any], commands: list[Any]) -> list[Any]:
    states = [kind.initial]
    for state in states:
        for command in commands:
            try:
                after = kind.fold(kind.decide(state, command), state)
            except Refused:
                continue
            if after not in states and not is_late(after):
                states.append(after)
        assert len(states) < STATES_MAX
    return states


def is_late(state: Any) -> bool:
    """A model whose name was given again and again: each time it is another state, and there is no end to them."""
    parts = [getattr(state, name, None) for name in ("holding", "spec")]
    return any(getattr(part, "generation", 1) > 2 for part in parts)


every_kind = pytest.mark.parametrize("name", KINDS)


@every_kind
def test_a_repeated_command_changes_nothing(name: str) -> None:
    kind, commands = KINDS[name], COMMANDS[name]
    for state in reachable(kind, commands):
        for command in commands:
            try:
                after = kind.fold(kind.decide(state, command), state)
            except Refused:
                continue
            assert kind.decide(after, command) == [], (state, command)


@every_kind
def test_every_command_and_every_event_of_a_kind_happens_in_its_examples(name: str) -> None:
    kind, commands = KINDS[name], COMMANDS[name]
    assert {type(command) for command in commands} == set(kind.command_types.values())
    happened: set[type] = set()
    for state in reachable(kind, commands):
        for command in commands:
            try:
                happened |= {type(event) for event in kind.decide(state, command)}
            except Refused:
                continue
    assert happened == set(kind.event_types.values())


@every_kind
def test_states_and_events_survive_being_written_and_read(name: str) -> None:
    kind, commands = KINDS[name], COMMANDS[name]
    for state in reachable(kind, commands):
        assert kind.states.decode(encoder.encode(state)) == state
        for command in commands:
            try:
                events = kind.decide(state, command)
            except Refused:
                continue
            assert kind.events.decode(encoder.encode(events)) == events
            assert kind.commands.decode(encoder.encode(command)) == command


@every_kind
# "alert": the type that operators ask webhooks for, as they name it.
def test_event_types_are_past_tense_words_of_their_kind(name: str) -> None:
    for tag in KINDS[name].event_types:
        prefix, _, word = tag.partition(".")
        assert prefix == name
        assert word.endswith(("ed", "ing", "left", "lost", "set", "started", "begun", "alert")), tag


@every_kind
def test_an_unknown_field_in_a_command_is_refused(name: str) -> None:
    for tag in KINDS[name].command_types:
        with pytest.raises(msgspec.ValidationError):
            KINDS[name].commands.decode(encoder.encode({"type": tag, "no_such_field": 1}))


@every_kind
def test_every_status_that_is_shown_is_one_the_kind_is_said_to_have(name: str) -> None:
    shown = {KINDS[name].summary(state).status for state in reachable(KINDS[name], COMMANDS[name])}
    assert len(shown) > 1 and shown <= KINDS[name].statuses
