"""Who is asked about a commit: everybody who may want it, once; and not those who want other types."""

from __future__ import annotations

from typing import cast

import msgspec

from treering.domain.job_messages import JobCanceled, JobCancelRequested
from treering.kernel.aggregate import Event
from treering.kernel.clock import now
from treering.kernel.log import Commit, Entry, encoder
from treering.views.selection import Selection
from treering_services.gateway.audience import Audience, Frame, Watcher


class Asked:
    """A watcher that notes which commits it was asked about."""

    def __init__(self, *types: str) -> None:
        self.selection = Selection(types=types)
        self.frames: list[Frame] = []


def frame(*events: Event) -> Frame:
    commit = Commit("c", "c", 1, now(), "u", events=msgspec.Raw(encoder.encode(events)))
    return Frame(Entry(7, "evt.w.job.j", encoder.encode(commit)))


def asked(audience: Audience, about: Frame) -> list[Watcher]:
    return list(audience.concerned(about))


def test_everybody_who_may_want_a_commit_is_asked_once() -> None:
    audience, both = Audience(), frame(JobCancelRequested(), JobCanceled(1))
    two = ("job.canceled", "job.cancel_requested")
    wishes: list[tuple[str, ...]] = [(), ("job.*",), ("job.*", "job.canceled"), ("job.canceled",), two]
    watchers = [cast(Watcher, Asked(*types)) for types in wishes]
    for one in watchers:
        audience.add(one)
    assert sorted(map(id, asked(audience, both))) == sorted(map(id, watchers))


def test_whoever_wants_other_types_is_not_asked() -> None:
    audience, mine = Audience(), cast(Watcher, Asked("job.canceled", "job.lost"))
    for number in range(1000):
        audience.add(cast(Watcher, Asked(f"job.t{number}", "job.lost")))
    audience.add(mine)
    assert asked(audience, frame(JobCanceled(1))) == [mine]


def test_who_has_left_leaves_no_trace() -> None:
    audience = Audience()
    watchers = [
        cast(Watcher, Asked(*types)) for types in [(), ("job.canceled",), ("job.canceled", "job.lost"), ("a.*",)]
    ]
    for one in watchers:
        audience.add(one)
    for one in watchers:
        audience.remove(one)
    assert not audience.asked and not audience.by_type
