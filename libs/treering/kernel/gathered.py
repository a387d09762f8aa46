"""How much one resource may gather by many commands: its tags, its parameters, its metrics.

A command is bounded by itself, but commands without end made a run that no list could show. MLflow has no such bound; a
script that logs a configuration of a thousand entries meets neither of these.
"""

from __future__ import annotations

from collections.abc import Mapping

from treering.kernel.refusal import Refused

GATHERED_MAX = 10_000
GATHERED_CHARACTERS_MAX = 4 * 1024 * 1024  # of keys and values


def check_gathered(what: str, before: Mapping[str, str], new: Mapping[str, str]) -> None:
    """``Refused("request.too_many_parts")`` when ``new`` would make too much of it. What was there before there was a
    bound stays, and may shrink."""
    after = {**before, **new}
    if len(after) > GATHERED_MAX and len(after) > len(before):
        raise too_many(what, len(after))
    if (size := characters(after)) > GATHERED_CHARACTERS_MAX and size > characters(before):
        why = f"with these its {what} would have {size} characters, and at most {GATHERED_CHARACTERS_MAX} are kept"
        raise Refused("request.too_many_parts", f"{why}; log a file as an artifact instead")


def too_many(what: str, count: int) -> Refused:
    why = f"with these it would have {count} {what}, and one resource has at most {GATHERED_MAX}"
    return Refused("request.too_many_parts", f"{why}; log a file as an artifact instead")


def characters(texts: Mapping[str, str]) -> int:
    return sum(map(len, texts)) + sum(map(len, texts.values()))
