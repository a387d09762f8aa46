"""The largest command that is read is a commit that the log takes: no limit of a message of NATS reaches a user."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import Meta, Struct
from tests.domain.test_laws import reachable

from treering.domain import KINDS
from treering.domain.registered_model import REGISTERED_MODEL
from treering.domain.registered_model_messages import (
    Holding,
    ReserveName,
    TransferRegisteredModel,
)
from treering.kernel.bounds import TEXT_CHARACTERS_MAX
from treering.kernel.gathered import GATHERED_CHARACTERS_MAX
from treering.kernel.log import encoder
from treering.kernel.refusal import Refused
from treering.kernel.shared_limits import MESSAGE_BYTES_MAX
from treering.kernel.writer import COMMIT_BYTES_MAX
from treering.testing.examples import COMMANDS
from treering_services.gateway.mlflow.messages import LARGE_BYTES_MAX, REQUEST_BYTES_MAX

WIDE = "\U0001f600"  # four bytes, as many as any character has
ENVELOPE_BYTES = 16 * 1024
GROUP = {f"k{number}": WIDE * 20_000 for number in range(REQUEST_BYTES_MAX // 80_000)}


def enlarged(value: Any) -> Any:
    """``value`` with each text of free length as long, and each group of texts as large, as a request can be."""
    changes: dict[str, Any] = {}
    for field in msgspec.structs.fields(value):
        known = getattr(value, field.name)
        if isinstance(known, Struct):
            changes[field.name] = enlarged(known)
        elif isinstance(known, str) and longest(field.type) >= TEXT_CHARACTERS_MAX:
            changes[field.name] = WIDE * (TEXT_CHARACTERS_MAX // 2)
        elif isinstance(known, dict) and "str" in str(field.type):
            changes[field.name] = {**known, **GROUP} if all(isinstance(one, str) for one in known.values()) else known
    return msgspec.structs.replace(value, **changes)


def longest(said: Any) -> int:
    metas = [one for one in getattr(said, "__metadata__", ()) if isinstance(one, Meta)]
    return max((one.max_length or 0 for one in metas), default=0)


@pytest.mark.parametrize("name", KINDS)
def test_each_command_at_its_bounds_becomes_events_no_larger_than_itself(name: str) -> None:
    """And no request is as large as a commit may be."""
    assert LARGE_BYTES_MAX < COMMIT_BYTES_MAX - ENVELOPE_BYTES
    kind = KINDS[name]
    states = reachable(kind, COMMANDS[name])
    for command in COMMANDS[name]:
        large = enlarged(command)
        for state in states[:20]:
            try:
                events = kind.decide(state, large)
            except Refused:
                continue
            assert len(encoder.encode(events)) <= len(encoder.encode(large)) + ENVELOPE_BYTES, type(command)


def test_a_model_that_holds_as_much_as_it_can_gather_can_be_renamed() -> None:
    tags = {f"k{number}": WIDE * (GATHERED_CHARACTERS_MAX // 64) for number in range(64)}
    holding = Holding("old", WIDE * TEXT_CHARACTERS_MAX, tags)
    reserved = REGISTERED_MODEL.fold(REGISTERED_MODEL.decide(REGISTERED_MODEL.initial, ReserveName("old")))
    events = REGISTERED_MODEL.decide(reserved, TransferRegisteredModel("old", holding))
    assert len(encoder.encode(events)) < COMMIT_BYTES_MAX - ENVELOPE_BYTES
    assert COMMIT_BYTES_MAX < MESSAGE_BYTES_MAX
