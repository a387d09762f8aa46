"""``given(JOB, past...).when(command).then(events...)``: a domain test as one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from treering.kernel.aggregate import Aggregate
from treering.kernel.refusal import Refused

C = TypeVar("C")
E = TypeVar("E")


def given(kind: Aggregate[C, E, Any], *past: E) -> Scenario[C, E]:
    return Scenario(kind, past)


@dataclass(frozen=True)
class Scenario(Generic[C, E]):
    kind: Aggregate[C, E, Any]
    past: tuple[E, ...]

    def when(self, command: C) -> Outcome[E]:
        state = self.kind.fold(self.past)
        try:
            return Outcome(self.kind.decide(state, command), None)
        except Refused as refused:
            return Outcome([], refused)


@dataclass(frozen=True)
class Outcome(Generic[E]):
    events: list[E]
    refused: Refused | None

    def then(self, *expected: E) -> None:
        assert self.refused is None, self.refused
        assert self.events == list(expected)

    def nothing_happens(self) -> None:
        self.then()

    def is_refused(self, code: str) -> None:
        assert self.refused is not None, f"expected a refusal, got {self.events}"
        assert self.refused.code == code
