"""Who gets which job, and when a node counts as lost: pure functions of the board."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from treering.config import Timing
from treering.domain.job import Job, Status
from treering.domain.job_messages import AssignJob, LoseJob
from treering.domain.job_spec import JobSpec
from treering.domain.node import Node
from treering.kernel.lease import Renew
from treering.kernel.subjects import Address
from treering.testing.examples import SPEC
from treering_services.scheduler.board import Board, Seen
from treering_services.scheduler.leases import Leases
from treering_services.scheduler.plan import Assignment, Loss, assignments, forgotten, losses

TIMING = Timing(lease_seconds=10.0)


def job(name: str) -> Address:
    return Address("main", "job", name)


def node(name: str) -> Address:
    return Address("main", "node", name)


def board(*queued: str, nodes: dict[str, Node], compute: str = "local") -> Board:
    spec: JobSpec = msgspec.structs.replace(SPEC, compute=compute)
    made = Board(position=100)
    made.nodes = {node(name): state for name, state in nodes.items()}
    for name in queued:
        made.put(job(name), Job(status="Queued", spec=spec))
    return made


def online(slots: int, incarnation: str = "i1", compute: str = "local") -> Node:
    return Node("online", incarnation, compute, slots)


def held(made: Board, name: str, on: str, incarnation: str = "i1") -> None:
    made.put(job(name), Job(status="Running", spec=SPEC, attempt=1, node=on, incarnation=incarnation))


def test_jobs_are_assigned_in_order_of_submission() -> None:
    planned = assignments(board("a", "b", "c", "d", nodes={"n1": online(1), "n2": online(1)}), ())
    assert [assignment.job for assignment in planned] == [job("a"), job("b")]


def submitted_by(made: Board, via: str, *names: str, status: Status = "Queued") -> None:
    for name in names:
        made.put(job(name), Job(status=status, spec=SPEC, via=via, node="n1", incarnation="i1"))


def names(planned: list[Assignment]) -> str:
    return "".join(assignment.job.key for assignment in planned)


def test_a_job_that_submits_without_end_does_not_keep_people_from_a_slot() -> None:
    made = board(nodes={"n1": online(1), "n2": online(3, "i2")})
    submitted_by(made, "greedy", *"12345678")
    submitted_by(made, "", *"ab")
    assert names(assignments(made, ())) == "1a2b"


def test_who_has_fewest_jobs_under_way_is_next() -> None:
    made = board(nodes={"n1": online(2)})
    submitted_by(made, "greedy", "h", "i", status="Running")
    submitted_by(made, "greedy", *"1234")
    submitted_by(made, "", *"abcd")
    assert names(assignments(made, ())) == "ab"
    assert names(assignments(made, (job("a"),))) == "b"


def test_jobs_that_submit_jobs_take_turns_and_all_of_them_together_with_people() -> None:
    made = board(nodes={"n1": online(4), "n2": online(4, "i2")})
    submitted_by(made, "greedy", *"12345678")
    submitted_by(made, "modest", *"xy")
    for number, name in enumerate("pqrs"):  # each of another job, as those are that jobs of jobs submit
        submitted_by(made, f"of-{number}", name)
    submitted_by(made, "", *"abcde")
    assert names(assignments(made, ())) == "1axbpcqd"


def test_the_node_with_most_room_is_taken() -> None:
    planned = assignments(board("a", nodes={"n1": online(1), "n2": online(3, "i2")}), ())
    assert planned == [Assignment(job("a"), AssignJob(1, "n2", "i2"))]


def test_a_node_of_another_compute_gets_nothing() -> None:
    assert assignments(board("a", nodes={"n1": online(4)}, compute="cluster"), ()) == []


def test_a_node_that_is_lost_gets_nothing() -> None:
    assert assignments(board("a", nodes={"n1": Node("lost", "i1", "local", 4)}), ()) == []


def test_the_only_node_of_a_compute_prepares_ahead_of_its_slots() -> None:
    planned = assignments(board("a", "b", "c", "d", nodes={"n1": online(2)}), ())
    assert len(planned) == 4
    assert len(assignments(board("a", "b", "c", "d", nodes={"n1": online(1), "n2": online(1)}), ())) == 2


def test_an_assignment_under_way_takes_its_place() -> None:
    made = board("a", "b", nodes={"n1": online(1), "n2": online(0)})
    assert assignments(made, {job("a")}) == []


def test_a_job_whose_node_came_back_as_another_is_lost() -> None:
    made = board(nodes={"n1": online(2, "i2")})
    held(made, "a", "n1", "i1")
    held(made, "b", "n1", "i2")
    assert losses(made) == [Loss(job("a"), LoseJob(1, "its node restarted"))]


def test_a_job_whose_node_is_gone_is_lost() -> None:
    made = board(nodes={"n1": Node("left", "i1", "local", 2)})
    held(made, "a", "n1")
    assert losses(made) == [Loss(job("a"), LoseJob(1, "its node is gone"))]


def test_a_node_that_is_new_to_a_scheduler_has_a_whole_lease() -> None:
    leases, made = Leases(TIMING), board(nodes={"n1": online(1)})
    assert leases.expired(made, 1000.0) == []
    assert leases.expired(made, 1011.9) == []
    assert leases.expired(made, 1012.1) == [(node("n1"), "i1")]


def test_a_renewal_counts_from_when_it_was_heard() -> None:
    leases, made = Leases(TIMING), board(nodes={"n1": online(1)})
    renew = Renew("main", "n1", "i1", position=50)
    assert not leases.renew(made, renew, 1000.0).fenced
    assert leases.expired(made, 1011.0) == []
    assert not leases.renew(made, renew, 1011.0).fenced
    assert leases.expired(made, 1022.0) == []


def test_an_incarnation_that_is_over_is_fenced() -> None:
    leases, made = Leases(TIMING), board(nodes={"n1": online(1, "i2")})
    assert leases.renew(made, Renew("main", "n1", "i1", position=50), 0.0).fenced


def test_a_joining_that_the_board_has_not_seen_is_believed() -> None:
    leases, made = Leases(TIMING), board(nodes={})
    assert not leases.renew(made, Renew("main", "n1", "i1", position=101), 0.0).fenced


def test_an_attempt_that_went_back_to_the_queue_is_stale() -> None:
    leases, made = Leases(TIMING), board("a", nodes={"n1": online(1)})
    held(made, "b", "n1")
    made.put(job("a"), msgspec.structs.replace(made.jobs[job("a")], attempt=1))
    renew = Renew("main", "n1", "i1", position=50, attempts=(("a", 1), ("b", 1), ("unknown", 1)))
    assert leases.renew(made, renew, 0.0).stale == (("a", 1),)


def test_an_attempt_whose_assignment_the_board_has_not_seen_is_not_stale() -> None:
    """Else the executor drops it, and the job is never heard of again: it is assigned to a node that lives."""
    leases, made = Leases(TIMING), board("new", "again", nodes={"n1": online(2)})
    made.put(job("again"), Job(status="Queued", spec=SPEC, attempt=1))
    renewed = leases.renew(made, Renew("main", "n1", "i1", position=50, attempts=(("new", 1), ("again", 2))), 0.0)
    assert renewed.stale == ()


def test_a_job_that_its_node_has_seen_and_does_not_know_is_lost() -> None:
    made = board(nodes={"n1": online(4), "n2": online(4, "i2")})
    for name, on, incarnation in (
        ("kept", "n1", "i1"),
        ("dropped", "n1", "i1"),
        ("unseen", "n1", "i1"),
        ("b", "n2", "i2"),
    ):
        held(made, name, on, incarnation)
        made.seen[job(name)] = Seen(position=51 if name == "unseen" else 50)
    lost = forgotten(made, Renew("main", "n1", "i1", position=50, attempts=(("kept", 1), ("dropped", 2))))
    assert [(loss.job, loss.command.attempt) for loss in lost] == [(job("dropped"), 1)]
    assert not forgotten(made, Renew("main", "n1", "i1", position=50, reported=made.position + 1))


def test_the_executor_gives_up_before_the_scheduler_does() -> None:
    for lease_seconds in (1.0, 10.0, 60.0):
        timing = replace(TIMING, lease_seconds=lease_seconds)
        given_up_at = timing.lease_seconds - timing.margin_seconds
        lost_at = timing.lease_seconds + timing.margin_seconds
        assert 0 < timing.renew_seconds < given_up_at < timing.lease_seconds < lost_at
