"""What every release wrote still reads as it did: its commits decode, chain, and fold to the same summary."""

from __future__ import annotations

import pytest
from tests.recorded.record import Recording, recorded_types, recordings

from treering.domain import KINDS
from treering.kernel.log import Entry

RECORDED = list(recordings())
COMMAND = ".venv/bin/python -m tests.recorded.record"


@pytest.mark.parametrize("name", KINDS)
def test_every_event_type_has_a_recording(name: str) -> None:
    missing = sorted(set(KINDS[name].event_types) - recorded_types(name))
    assert not missing, f"no recorded commit has {', '.join(missing)}: run `{COMMAND}` and commit what it adds"


@pytest.mark.parametrize(
    ("kind", "recording"), [(kind, one) for _, kind, one in RECORDED], ids=[f"{r}-{o.event}" for r, _, o in RECORDED]
)
def test_a_recorded_history_folds_to_the_summary_it_had(kind: str, recording: Recording) -> None:
    aggregate, state, hash = KINDS[kind], KINDS[kind].initial, ""
    for number, stored in enumerate(recording.commits, start=1):
        entry = Entry(number, stored.subject, stored.body.encode())
        commit = entry.commit()
        assert (commit.version, commit.prev) == (number, hash), "the recording itself was changed"
        state, hash = aggregate.fold(aggregate.events.decode(commit.events), state), entry.hash()
    assert aggregate.summary(state) == recording.summary, (
        f"{recording.event} of an earlier release means something else now: give the event a new type and the old one "
        f"an upcaster (kernel/upcasters.py). If no release had it yet: {COMMAND} again {kind}"
    )
