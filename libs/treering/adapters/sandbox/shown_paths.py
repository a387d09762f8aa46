"""Folders of the machine that the operator shows to every job: data sets, shared caches, licences."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from treering.kernel.refusal import Refused

VARIABLE = "TREERING_SHOW_PATHS"  # several with commas between
WRITABLE = ":rw"
SHOWN_MAX = 100


class ShownPath(NamedTuple):
    path: Path
    writable: bool


def shown_paths(given: Sequence[str], home: Path) -> tuple[ShownPath, ...]:
    """``given`` ("/data" or "/data:rw") and those of $TREERING_SHOW_PATHS. ``Refused`` ``sandbox.path``."""
    texts = [*given, *(text for text in os.environ.get(VARIABLE, "").split(",") if text.strip())]
    if len(texts) > SHOWN_MAX:
        raise Refused("sandbox.path", f"{len(texts)} paths are to be shown to jobs; at most {SHOWN_MAX} can be")
    return tuple(parsed(text.strip(), home) for text in texts)


def parsed(text: str, home: Path) -> ShownPath:
    path = Path(os.path.normpath(text.removesuffix(WRITABLE)))
    if not path.is_absolute() or "\0" in text or not path.exists():
        raise Refused("sandbox.path", f"{text[:200]!r} cannot be shown to jobs: give a path from / that exists")
    real = path.resolve()
    if is_below(home.resolve(), real) or is_below(real, home.resolve()):
        message = f"{text[:200]!r} cannot be shown to jobs: the keys of the installation lie in {home}"
        raise Refused("sandbox.path", message)
    return ShownPath(path, text.endswith(WRITABLE))


def is_below(path: Path, folder: Path) -> bool:
    return path == folder or path.is_relative_to(folder)
