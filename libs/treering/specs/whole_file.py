"""Judges a file that is one resource: its schema, the secrets and placeholders in it, and what is not carried out."""

from __future__ import annotations

from treering.specs.honoured import note_keys
from treering.specs.kinds import KINDS
from treering.specs.nodes import MapNode, Report
from treering.specs.placeholders import report_placeholders
from treering.specs.secret_texts import check_tree


def is_sound(root: MapNode, kind: str, report: Report) -> bool:
    """Whether nothing is wrong with ``root`` as a ``kind``; else the report says what. Keys that mean nothing here are
    noted where it is sound."""
    KINDS[kind](root, "", report)
    check_tree(root, report)
    if not report.problems:
        report_placeholders(root, report)
    if report.problems:
        return False
    note_keys(root, kind, report)
    return True
