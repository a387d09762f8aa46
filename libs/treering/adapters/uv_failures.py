"""What a run of uv came to: its output, or a refusal whose code says what kind of failure it was."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from treering.adapters.builds import Say
from treering.adapters.scrubbing import scrub
from treering.adapters.uv import Finished, TimedOut
from treering.adapters.uv_words import reason, whole
from treering.kernel.refusal import Refused

REASON_CHARACTERS_MAX = 1000
# The number of the system's error is Linux's (errno(3)): ENOSPC and EDQUOT, in whatever language it is put.
FAILURES = (
    ("os error 28)", "disk.full"),
    ("os error 122)", "disk.full"),
    ("No space left on device", "disk.full"),  # as a compiler says it of a package that is built
    ("No solution found", "environment.unsolvable"),
    ("Failed to build", "environment.build_failed"),
    ("Failed to fetch", "environment.index_unreachable"),
)


def output_of(finished: Finished, folder: Path, say: Say) -> str:
    """What uv printed; ``Refused`` with its reason, and ``say`` is told all that it printed."""
    if finished.code != 0:
        errors = scrub(finished.errors.replace(f"{folder}{os.sep}", ""))  # before a limit cuts a secret in two
        say(f"uv ended with exit code {finished.code} and said:\n{whole(errors)}")
        code = next((code for words, code in FAILURES if words in errors), "environment.install_failed")
        raise Refused(code, f"requirements: {reason(errors, REASON_CHARACTERS_MAX)}")
    return finished.output


@contextmanager
def in_time(step: str, timeout_seconds: float) -> Iterator[None]:
    """``Refused`` ``environment.timeout`` where uv was ended because it took too long."""
    try:
        yield
    except TimedOut:
        message = f"uv {step} took more than {timeout_seconds:g} seconds; is the package index reachable?"
        raise Refused("environment.timeout", message) from None
