"""Files that a YAML names: read once, bounded in number, and what is wrong in them is reported there."""

from __future__ import annotations

from pathlib import Path

from treering.specs.nodes import MapNode, Place, Report
from treering.specs.on_disk import FILE, misplaced, real
from treering.specs.references import local_path
from treering.specs.yaml_text import Unreadable, read_yaml

FILES_MAX = 100


def resolved(written: str, report: Report) -> Path:
    """Where a path of a YAML leads: below the folder of that YAML unless it is absolute."""
    return report.folder / local_path(written)


def opened(written: str, at: Place, key: str, report: Report) -> MapNode | None:
    """The mapping in the file that ``key`` names, or None when it cannot be had (which is then reported).

    A file is read once however often it is named.
    """
    path = resolved(written, report)
    known = real(path)
    if known not in report.opened:
        report.opened[known] = first_opened(path, written, at, key, report)
    return report.opened[known]


def is_absent(path: Path, written: str, at: Place, key: str, report: Report) -> bool:
    """Whether a file is not there, which is reported where files are needed."""
    why = misplaced(path, written, report.folder, FILE)
    if why and report.need_files:
        report.add(at, key, why)
    return bool(why)


def first_opened(path: Path, written: str, at: Place, key: str, report: Report) -> MapNode | None:
    if len(report.opened) >= FILES_MAX:
        report.add(at, key, f"more than {FILES_MAX} files are named by one another")
        return None
    if is_absent(path, written, at, key, report):
        return None
    try:
        return read_yaml(path)
    except Unreadable as unreadable:
        report.add(unreadable.at, "", unreadable.message)
        return None
