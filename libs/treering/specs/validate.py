"""Judges a YAML of any kind, without a server: what it is, and everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from treering.kernel.refusal import Refused
from treering.specs.kind_of import kind_of
from treering.specs.kinds import KINDS
from treering.specs.nodes import MapNode, Problem, Report
from treering.specs.overrides import apply
from treering.specs.yaml_text import Unreadable, read_yaml


@dataclass(frozen=True)
class Judgement:
    """``kind`` is "" when it could not be told; without problems the file is accepted."""

    kind: str
    problems: tuple[Problem, ...]

    @property
    def accepted(self) -> bool:
        return not self.problems


def judge(path: Path, overrides: Sequence[str] = (), *, need_files: bool = True) -> Judgement:
    """Read a file, put the ``--set`` overrides in, and judge it with the YAML files it names.

    Whether its data and code are there is not asked; whether the YAML files it names are there is asked when
    ``need_files``. Raises nothing: a file that cannot be read is a problem too.
    """
    try:
        root = apply(read_yaml(path), overrides)
    except Unreadable as unreadable:
        return Judgement("", (Problem(unreadable.at.file, unreadable.at.line, "", unreadable.message),))
    except Refused as refused:
        return Judgement("", (Problem(str(path), 0, "", refused.detail),))
    return judge_tree(root, path, need_files)


def judge_tree(root: MapNode, path: Path, need_files: bool = True) -> Judgement:
    """Judge a tree that was read from ``path``."""
    kind = kind_of(root)
    report = Report(path.parent, need_files=need_files)
    if kind in KINDS:
        KINDS[kind](root, "", report)
    elif kind:
        report.add(root.at, "type", f"{kind!r} is no kind treering knows; it knows {', '.join(KINDS)}")
    else:
        report.add(root.at, "", "its kind cannot be told; say it with $schema or type")
    return Judgement(kind, tuple(report.problems))
