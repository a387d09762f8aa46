"""Notes on standard error: what a user should know beside the answer. ``--only-show-errors`` leaves them out."""

from __future__ import annotations

import sys

import click

from treering.cli.session import Session
from treering.cli.terminal import put


def note(text: str) -> None:
    context = click.get_current_context(silent=True)
    session = context.find_object(Session) if context else None
    if session is None or not session.quiet:
        put(f"note: {text}", file=sys.stderr)
