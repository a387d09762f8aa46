"""What follows the log beside the views goes on behind an entry that it cannot read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import pytest
from tests.adapters.test_incomplete import BAD, GOOD, POISON, a_poisoned_log

from treering.domain.job_messages import JobSubmitted
from treering.domain.node import NodeJoined
from treering.kernel.aggregate import Event
from treering.kernel.log import Commit, Entry, encoder
from treering.kernel.subjects import Address
from treering.testing.examples import SPEC
from treering.views.cloud_events import cloud_events
from treering_services.gateway.audience import Frame
from treering_services.scheduler.board import Board

AT = datetime(2026, 1, 1, tzinfo=UTC)
STRANGE = ("evt", "evt.other", "evt.a.b.c.d", "evt.main.run", "evt.main.run.")
poisons = pytest.mark.parametrize("poison", [body for body, _ in POISON.values()], ids=list(POISON))


def entry(position: int, kind: str, name: str, version: int, events: Sequence[Event] | bytes) -> Entry:
    raw = events if isinstance(events, bytes) else encoder.encode(events)
    body = encoder.encode(Commit(str(position), str(position), version, AT, "anna", events=msgspec.Raw(raw)))
    return Entry(position, Address("main", kind, name).subject, body)


@poisons
def test_subscribers_are_told_of_all_events_that_can_be_read(poison: bytes) -> None:
    told = [one for each in a_poisoned_log(poison) for one in cloud_events(each)]
    about = [one.event.subject for one in told if one.position != 3]
    assert about == [str(BAD), str(GOOD), str(GOOD), str(BAD), str(GOOD)]


@pytest.mark.parametrize("subject", STRANGE)
def test_a_message_of_no_resource_is_a_frame_without_events(subject: str) -> None:
    frame = Frame(Entry(1, subject, b"anything"))
    assert (frame.events(), list(frame.event_types()), frame.written(True)) == ([], [], [])


@poisons
@pytest.mark.parametrize("kind", ["job", "node"])
def test_the_scheduler_leaves_out_a_job_or_node_and_plans_with_the_others(kind: str, poison: bytes) -> None:
    # Given a board with two jobs and two nodes,
    joined = [NodeJoined("i", "local", 1)]
    board = Board()
    board.apply([
        entry(1, "job", "good", 1, [JobSubmitted(SPEC)]), entry(2, "job", "bad", 1, [JobSubmitted(SPEC)]),
        entry(3, "node", "good", 1, joined), entry(4, "node", "bad", 1, joined),
    ])  # fmt: skip
    # when an entry of one of them is poison, then it is on the board no more and the others are.
    bad = Address("main", kind, "bad")
    board.apply([Entry(5, bad.subject, poison), entry(6, "job", "late", 1, [JobSubmitted(SPEC)])])
    assert board.position == 6 and board.left_out == {bad}
    assert bad not in board.jobs and bad not in board.queued and bad not in board.nodes
    assert {Address("main", "job", "good"), Address("main", "job", "late")} <= set(board.queued)
    assert Address("main", "node", "good") in board.nodes
    # And what comes of it later does not bring it back.
    board.apply([entry(7, kind, "bad", 3, joined if kind == "node" else [JobSubmitted(SPEC)])])
    assert bad not in board.jobs and bad not in board.nodes


@pytest.mark.parametrize("subject", STRANGE)
def test_the_scheduler_passes_over_messages_of_no_resource(subject: str) -> None:
    board = Board()
    board.apply([Entry(1, subject, b"anything")])
    assert board.position == 1 and not board.left_out
