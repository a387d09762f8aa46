"""Notes on standard error: what a user should know beside the answer. ``--only-show-errors`` leaves them out."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import islice
from typing import TypeVar

import click

from treering.cli.session import Session
from treering.cli.terminal import put

T = TypeVar("T")
MORE = "--max-results brings more"


def first(found: Iterable[T], count: int, advice: str = MORE) -> list[T]:
    """The first so many, and a note where there are more. Ask for one more than ``count``, or nobody can know."""
    rows = list(islice(found, count + 1))
    if len(rows) > count:
        note(f"only the first {count} are shown, and there are more: {advice}")
    return rows[:count]


def note(text: str) -> None:
    context = click.get_current_context(silent=True)
    session = context.find_object(Session) if context else None
    if session is None or not session.quiet:
        put(f"note: {text}", file=sys.stderr)
