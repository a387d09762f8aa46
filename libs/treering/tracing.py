"""Spans for whoever follows a request through the services. Without an exporter they cost nothing and do nothing.

A trace is passed on as a W3C traceparent: in HTTP and NATS headers, in every commit, and to the command of a job.
Which exporter there is, is for ``adapters/otlp.py``; the kernel and the services know only this file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal, Protocol

Kind = Literal["server", "client", "internal"]
Value = str | int | float | bool


class Span(Protocol):
    """``trace`` is the traceparent that what follows from the span carries."""

    @property
    def trace(self) -> str: ...

    def set(self, name: str, value: Value) -> None: ...

    def fail(self, why: str) -> None: ...


@dataclass(frozen=True)
class NoSpan:
    """Passes its parent's trace on."""

    trace: str

    def set(self, name: str, value: Value) -> None:
        pass

    def fail(self, why: str) -> None:
        pass


Spans = Callable[[str, str, Kind, Mapping[str, Value]], AbstractContextManager[Span]]


class Exporter:
    """Set once, when the process starts."""

    spans: Spans | None = None


def span(
    name: str, parent: str, kind: Kind = "internal", attributes: Mapping[str, Value] = {}
) -> AbstractContextManager[Span]:
    """What happens inside the block, as a child of the traceparent ``parent``; "" begins a trace."""
    if Exporter.spans is None:
        return nullcontext(NoSpan(parent))
    return Exporter.spans(name, parent, kind, attributes)


def exporting() -> bool:
    return Exporter.spans is not None


def trace_headers(trace: str) -> dict[str, str] | None:
    """For a NATS message. Reading headers costs a reader more than all the rest, so only while somebody exports."""
    return {"traceparent": trace} if exporting() and trace else None
