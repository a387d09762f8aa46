"""What a check of an installation found: one line each, with what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from msgspec import Struct

from treering.config import Home

State = Literal["ok", "warning", "wrong"]


class Finding(Struct, frozen=True, omit_defaults=True):
    """``advice`` is there unless all is well. A warning is for somebody to look at; ``wrong`` will cost something."""

    check: str
    state: State
    found: str
    advice: str = ""


class Fault(NamedTuple):
    """Something about a home that both a start and the doctor look at. ``said`` names ``path``; ``fatal``: nothing
    starts before ``mends`` was done."""

    path: Path
    said: str
    mends: str
    code: str = "home.damaged"
    fatal: bool = True

    def __str__(self) -> str:
        return f"{self.said}: {self.mends}"


Check = Callable[[Home], Iterator[Finding]]


def ok(check: str, found: str) -> Finding:
    return Finding(check, "ok", found)


def warning(check: str, found: str, advice: str) -> Finding:
    return Finding(check, "warning", found, advice)


def wrong(check: str, found: str, advice: str) -> Finding:
    return Finding(check, "wrong", found, advice)
