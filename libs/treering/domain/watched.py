"""Which filters of events make sense: one that no event can ever match would be silence for ever, and is refused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from treering.domain import KINDS, WATCHED, folded, is_reserved, kind_named
from treering.domain.compute import COMPUTE
from treering.domain.environment import ENVIRONMENT
from treering.domain.event import EVENT
from treering.domain.experiment import EXPERIMENT
from treering.domain.grid_types import GRID_TYPES
from treering.domain.installation import INSTALLATION
from treering.domain.installation import WORKSPACE as MAIN
from treering.domain.job import JOB
from treering.domain.metric_stream import METRIC_STREAM
from treering.domain.mlflow_events import KIND_OF, selected
from treering.domain.model import MODEL
from treering.domain.webhook import WEBHOOK
from treering.domain.webhook_messages import Body
from treering.domain.witness import WITNESS
from treering.domain.workspace import WORKSPACE
from treering.kernel.patterns import STARS_MAX, begin_of, matches
from treering.kernel.refusal import Refused, instead

SHOWN_CHARACTERS_MAX = 80
OF_MAIN = frozenset({INSTALLATION.kind, WITNESS.kind, METRIC_STREAM.kind})  # of the whole installation: they live there
VERSIONED = frozenset({ENVIRONMENT.kind, MODEL.kind})
UNVERSIONED = frozenset({JOB.kind, EXPERIMENT.kind, COMPUTE.kind, WEBHOOK.kind, WORKSPACE.kind})


def impossible(why: str) -> Refused:
    return Refused("filter.impossible", f"{why}: no event can match that, now or later")


def check_watched(types: Iterable[str], kind: str = "") -> None:
    """``Refused`` for a type, or a pattern of types such as ``job.*``, that no event of ``kind`` ("": of any) can have:
    ``type.unknown`` where there is none of ours like it, ``filter.impossible`` where it is another kind's.

    Others are left alone: somebody may publish one at any time.
    """
    for type in types:
        check_form(type)
        begin, shown = begin_of(type), type[:SHOWN_CHARACTERS_MAX]
        known = {one for one in WATCHED if matches(type, one)}
        if is_reserved(begin) and not known:
            of_kind = folded(begin).partition(".")[0]
            near = {one for one in WATCHED if one.startswith(f"{of_kind}.")} or WATCHED
            raise Refused("type.unknown", f"there is no event type {shown!r}{instead(type, near)}")
        if kind == EVENT.kind and is_reserved(begin):
            raise impossible(f"type is {shown!r}, which nobody can publish, and kind is 'event', what was published")
        if kind not in ("", EVENT.kind) and not known & set(KINDS[kind].event_types):
            whose = f"of events about a {next(iter(known)).partition('.')[0]}" if known else "of published events only"
            raise impossible(f"type is {shown!r}, which is {whose}, and kind is {kind!r}; leave out one of them")


def check_form(type: str) -> None:
    shown = repr(type[:SHOWN_CHARACTERS_MAX])
    if not type or type != type.strip():
        raise impossible(f"a type is {shown}, and none is empty, or has a blank at an end")
    if type.count("*") > STARS_MAX:
        raise Refused("request.query", f"type is {shown}, a pattern with more than {STARS_MAX} '*'")


def check_place(kind: str, workspace: str, name: str) -> None:
    """``Refused`` for a name that no resource of ``kind`` has, or a workspace that has no resource of it."""
    if kind in OF_MAIN and workspace not in ("", MAIN):
        raise impossible(f"the workspace is {workspace!r}, and everything of the kind {kind!r} is in {MAIN!r}")
    if kind == WORKSPACE.kind and name and workspace not in ("", name):
        raise impossible(f"the workspace is {workspace!r}, and name another one, {name[:SHOWN_CHARACTERS_MAX]!r}")
    if kind in VERSIONED and name and ":" not in name:
        stem, _, version = name.rpartition("/")  # as MLflow writes a version
        example = f"{stem[:40]}:{version[:40]}" if stem and version.isdecimal() else f"{name[:40]}:1"
        raise impossible(f"name is {name[:SHOWN_CHARACTERS_MAX]!r}, and a {kind} is NAME:VERSION; say {example}")
    if kind in UNVERSIONED and ":" in name:
        raise impossible(f"name is {name[:SHOWN_CHARACTERS_MAX]!r}, and a {kind} has no version")


def check_webhook(body: Body, types: Sequence[str], kind: str, workspace: str, name: str) -> None:
    """The same for what a webhook is told in the form of ``body``."""
    if kind:
        kind_named(kind)
    check_place(kind, workspace, name)
    if body == "mlflow":
        told = {KIND_OF[one] for one in selected(types)}
        if told and kind and kind not in told:
            raise impossible(f"kind is {kind!r}, and these events of MLflow are about {' and '.join(sorted(told))}")
        return
    check_watched(types, kind)
    if body == "eventgrid":
        own = {one for one in GRID_TYPES if kind in ("", one.partition(".")[0])}
        for type in types or ["*"]:
            if not any(matches(type, one) for one in own):
                why = f"kind is {kind!r} and type {type[:SHOWN_CHARACTERS_MAX]!r}" if kind else f"type is {type[:80]!r}"
                raise impossible(f"{why}, and Event Grid has {', '.join(sorted(GRID_TYPES))} only")
