"""Which source an event may have: what others publish under, treering's own, and the one that each job has."""

from __future__ import annotations

from functools import lru_cache

from treering.kernel.refusal import Refused
from treering.kernel.uri_reference import fault_in_reference
from treering.views.cloud_events import OUR_SOURCES, is_our_source, source_of_job
from treering_services.gateway.call import Caller

SOURCES_KNOWN_MAX = 1024


def own_source(caller: Caller) -> str:
    """Under which a job publishes, and nobody else; "" for other callers."""
    return source_of_job(caller.workspace, caller.name) if caller.policy == "job" else ""


# A program has few sources, and says one with each event: judging it anew takes longer than reading the event.
is_ours = lru_cache(SOURCES_KNOWN_MAX)(is_our_source)
fault_in_source = lru_cache(SOURCES_KNOWN_MAX)(fault_in_reference)


def check_source(caller: Caller, source: str) -> None:
    """Raises ``Refused``: ``event.source_reserved`` for a source of treering's or of another job, ``event.invalid`` for
    what is no source, ``event.source_forbidden`` for a job with rights of its own that says another than its own."""
    own = own_source(caller)
    if source == own:
        return
    shown, instead = repr(source[:100]), f"; leave source out, or say {own!r}" if own else "; take another one"
    if is_ours(source):
        why = f"source is {shown}, and sources below {OUR_SOURCES!r} are for treering's own events"
        raise Refused("event.source_reserved", f"{why}{instead}")
    if caller.is_bounded:
        raise Refused("event.source_forbidden", f"source is {shown}; this job may use its own only{instead}")
    if fault := fault_in_source(source):
        raise Refused("event.invalid", f"source is {shown}, which is no URI reference: {fault}")
