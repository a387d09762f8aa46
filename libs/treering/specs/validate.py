"""Judges a YAML of any kind, without a server: what it is, and everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from treering.kernel.refusal import Refused
from treering.specs.compute_draft import CLUSTER, INSTANCE, prepared_compute
from treering.specs.curated import prepared_environment
from treering.specs.given_file import folder_of, read_given
from treering.specs.honoured import note_keys, table_of
from treering.specs.job_draft import RUNNABLE
from treering.specs.kind_of import kind_of
from treering.specs.kinds import KINDS
from treering.specs.model_draft import prepared_model
from treering.specs.nodes import MapNode, Problem, Report
from treering.specs.overrides import apply
from treering.specs.prepared import prepared_job
from treering.specs.secret_texts import check_tree
from treering.specs.workspace_draft import KIND as WORKSPACE
from treering.specs.workspace_draft import PARTIAL, prepared_workspace
from treering.specs.yaml_text import Unreadable

MODEL = "model/custom_model"


@dataclass(frozen=True)
class Judgement:
    """``kind`` is "" when it could not be told; without problems the file is accepted. ``submittable``: a ``create`` of
    the command line takes it."""

    kind: str
    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...] = ()

    @property
    def accepted(self) -> bool:
        return not self.problems

    @property
    def submittable(self) -> bool:
        return self.accepted and table_of(self.kind) is not None


def judge(path: Path, overrides: Sequence[str] = (), *, need_files: bool = True) -> Judgement:
    """Read a file, put the ``--set`` overrides in, and judge it with the YAML files it names.

    When ``need_files``, the verdict on what can be created here is that of ``create``, as far as it needs no server:
    files that are named must be there, and what cannot be carried out is refused. Without, it is that of Azure's own
    loader on the YAML. Raises nothing: a file that cannot be read is a problem too.
    """
    try:
        root = apply(read_given(path), overrides)
    except Unreadable as unreadable:
        return Judgement("", (Problem(unreadable.at.file, unreadable.at.line, "", unreadable.message),))
    except Refused as refused:
        return Judgement("", (Problem(str(path), 0, "", refused.detail),))
    return judge_tree(root, path, need_files)


def judge_tree(root: MapNode, path: Path, need_files: bool = True) -> Judgement:
    """Judge a tree that was read from ``path``."""
    kind = kind_of(root)
    report = Report(folder_of(path), need_files=need_files)
    if kind.startswith("model/") and kind not in KINDS:
        kind = MODEL  # and what is wrong with its type is said beside all else
    if kind in KINDS:
        prepare(root, kind, path, report) if need_files else KINDS[kind](root, "", report)
    elif kind:
        report.add(root.at, "type", f"{kind!r} is no kind treering knows; it knows {', '.join(KINDS)}")
    else:
        report.add(root.at, "", "its kind cannot be told; say it with $schema or type")
    return Judgement(kind, tuple(report.problems), tuple(report.notes))


def prepare(root: MapNode, kind: str, path: Path, report: Report) -> None:
    """The verdict of ``create`` on a kind that can be created here, and that of its schema on another."""
    if kind == RUNNABLE:
        prepared_job(root, path, report)
    elif kind == "environment":
        prepared_environment(root, report)
    elif kind.startswith("model/"):
        prepared_model(root, report)
    elif kind in (CLUSTER, INSTANCE):
        prepared_compute(root, kind, report)
    elif kind in (WORKSPACE, PARTIAL):
        prepared_workspace(root, kind, report)
    else:
        KINDS[kind](root, "", report)
        check_tree(root, report)
        note_keys(root, kind, report)
