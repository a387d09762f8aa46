"""The resource kinds. KINDS is the list: routes, subjects, audit and the laws follow from it."""

from __future__ import annotations

from typing import Any

from treering.domain.compute import COMPUTE
from treering.domain.credential import CREDENTIAL
from treering.domain.environment import ENVIRONMENT
from treering.domain.event import EVENT
from treering.domain.event_schema import EVENT_SCHEMA
from treering.domain.experiment import EXPERIMENT
from treering.domain.job import JOB
from treering.domain.logged_model import LOGGED_MODEL
from treering.domain.model import MODEL
from treering.domain.node import NODE
from treering.domain.registered_model import REGISTERED_MODEL
from treering.domain.run import RUN
from treering.domain.webhook import WEBHOOK
from treering.domain.witness import WITNESS
from treering.domain.workspace import WORKSPACE
from treering.kernel.aggregate import Aggregate
from treering.kernel.refusal import Refused

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
        REGISTERED_MODEL,
        MODEL,
        LOGGED_MODEL,
    )
}

# Types nobody else may publish under: ours, our test's, and Azure Event Grid's of what we tell as events of ours.
RESERVED = (*(f"{kind}." for kind in KINDS), "treering.", "microsoft.machinelearningservices.")


def is_reserved(type: str) -> bool:
    """Would an event of this type be taken for one of ours? Whatever its case, and blanks around it."""
    return type.strip().lower().startswith(RESERVED)


def kind_named(name: str) -> Aggregate[Any, Any, Any]:
    """The kind of this name, or ``Refused("kind.unknown")`` with those there are."""
    if name not in KINDS:
        raise Refused("kind.unknown", f"there is no kind {name[:80]!r}; the kinds are {', '.join(sorted(KINDS))}")
    return KINDS[name]
