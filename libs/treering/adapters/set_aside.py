"""What is damaged is moved aside, never deleted."""

from __future__ import annotations

from pathlib import Path

from treering.kernel.log import LogDamaged

DAMAGED_MAX = 100


def free_aside(path: Path, what: str) -> Path:
    """The first free ``<path>.damaged-<n>``; LogDamaged when the folder holds DAMAGED_MAX of ``what`` already."""
    for number in range(1, DAMAGED_MAX + 1):
        aside = path.with_name(f"{path.name}.damaged-{number}")
        if not aside.exists():
            return aside
    raise LogDamaged(f"{path.parent} holds {DAMAGED_MAX} damaged {what} already: move or delete some")
