"""The resource kinds. KINDS is the list: routes, subjects, audit and the laws follow from it."""

from __future__ import annotations

import unicodedata
from typing import Any

from treering.domain.compute import COMPUTE
from treering.domain.credential import CREDENTIAL
from treering.domain.environment import ENVIRONMENT
from treering.domain.event import EVENT
from treering.domain.event_schema import EVENT_SCHEMA
from treering.domain.experiment import EXPERIMENT
from treering.domain.installation import INSTALLATION
from treering.domain.job import JOB
from treering.domain.logged_model import LOGGED_MODEL
from treering.domain.metric_stream import METRIC_STREAM
from treering.domain.model import MODEL
from treering.domain.node import NODE
from treering.domain.registered_model import REGISTERED_MODEL
from treering.domain.run import RUN
from treering.domain.webhook import WEBHOOK
from treering.domain.witness import WITNESS
from treering.domain.workspace import WORKSPACE
from treering.kernel.aggregate import Aggregate
from treering.kernel.refusal import Refused, instead

KINDS: dict[str, Aggregate[Any, Any, Any]] = {
    kind.kind: kind
    for kind in (
        WORKSPACE,
        EXPERIMENT,
        ENVIRONMENT,
        COMPUTE,
        NODE,
        JOB,
        RUN,
        EVENT,
        EVENT_SCHEMA,
        WEBHOOK,
        CREDENTIAL,
        WITNESS,
        METRIC_STREAM,
        INSTALLATION,
        REGISTERED_MODEL,
        MODEL,
        LOGGED_MODEL,
    )
}

# Types nobody else may publish under: ours, our test's, Azure Event Grid's of what we tell as events of ours, and those
# that say that somebody read a secret: auditors ask for them.
RESERVED = (*(f"{kind}." for kind in KINDS), "treering.", "secret.", "microsoft.machinelearningservices.")
TYPES = frozenset(tag for kind in KINDS.values() for tag in kind.event_types)
WATCHED = TYPES - set(EVENT.event_types)  # a published event is told under its own type


def is_reserved(type: str) -> bool:
    """Would an event of this type be taken for one of ours? Whatever its case and width, and blanks around it."""
    return folded(type).startswith(RESERVED)


def folded(type: str) -> str:
    """The same for two types that look alike: in lower case, and of full-width letters the plain ones."""
    return unicodedata.normalize("NFKC", type).strip().casefold()


def kind_named(name: str) -> Aggregate[Any, Any, Any]:
    """The kind of this name, or ``Refused("kind.unknown")`` with those there are."""
    if name not in KINDS:
        raise Refused("kind.unknown", f"there is no kind {name[:80]!r}{instead(name, KINDS)}")
    return KINDS[name]


def check_status(kind: str, status: str) -> None:
    """``Refused("status.unknown")`` for one that no resource of ``kind`` ever has."""
    known = kind_named(kind).statuses
    if status not in known:
        raise Refused("status.unknown", f"no {kind} has the status {status[:80]!r}{instead(status, known)}")
