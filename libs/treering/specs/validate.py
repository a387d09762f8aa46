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
from treering.specs.secret_texts import check_tree
from treering.specs.yaml_text import Unreadable, read_yaml


@dataclass(frozen=True)
class Judgement:
    """``kind`` is "" when it could not be told; without problems the file is accepted."""

    kind: str
    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...] = ()

    @property
    def accepted(self) -> bool:
        return not self.problems


def judge(path: Path, overrides: Sequence[str] = (), *, need_files: bool = True) -> Judgement:
    """Read a file, put the ``--set`` overrides in, and judge it with the YAML files it names.

    When ``need_files``, the files it names must be there: YAML, and of what can be created here also code and data,
    so that a file is accepted offline that will be accepted then. Raises nothing: a file that cannot be read is a
    problem too.
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
        check_tree(root, report)
        if need_files and not report.problems:
            judge_files(root, kind, path, report)
    elif kind:
        report.add(root.at, "type", f"{kind!r} is no kind treering knows; it knows {', '.join(KINDS)}")
    else:
        report.add(root.at, "", "its kind cannot be told; say it with $schema or type")
    return Judgement(kind, tuple(report.problems), tuple(report.notes))


def judge_files(root: MapNode, kind: str, path: Path, report: Report) -> None:
    """What ``job create`` and ``model create`` refuse of the files and names in a tree that is right otherwise."""
    from treering.specs.job_draft import RUNNABLE, read_job
    from treering.specs.model_draft import check_local

    try:
        if kind == RUNNABLE:
            read_job(root, path, report)
        elif kind.startswith("model/"):
            check_local(root, report)
    except Refused as refused:
        report.add(root.at, "", refused.detail)
