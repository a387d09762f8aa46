"""Asks before something is deleted, as az does: on a terminal, unless ``--yes`` was given."""

from __future__ import annotations

import sys

from treering.cli.terminal import put
from treering.kernel.refusal import Refused

CHARACTERS_MAX = 100
ASKED_MAX = 3
ANSWERS = {"y": True, "yes": True, "n": False, "no": False}


def confirm(question: str, yes: bool) -> None:
    """Return when ``yes``, or when whoever sits at the terminal agrees.

    Raises ``Refused``: ``confirm.no_terminal`` where nobody can be asked, ``confirm.declined``.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise Refused("confirm.no_terminal", f"{question} There is no terminal to ask on: give --yes (-y)")
    for _ in range(ASKED_MAX):
        put(f"{question} (y/n): ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline(CHARACTERS_MAX)
        if not line or (agreed := ANSWERS.get(line.strip().lower())) is False:
            break
        if agreed:
            return
    raise Refused("confirm.declined", "nothing was changed")
