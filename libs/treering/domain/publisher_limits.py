"""Which events a publisher may publish: how their sources begin, and patterns of their types.

An empty list allows everything, as for publishers that were made before there were limits.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from treering.kernel.patterns import STARS_MAX, matches
from treering.kernel.refusal import Refused
from treering.kernel.uri_reference import fault_in, normalised, respelled

LIMITS_MAX = 8  # of sources, and of types
PREFIX = re.compile(r"[!-~]{1,100}")  # printable ASCII, as in a URI
PATTERN = re.compile(r"[!-~]{1,100}")  # the same


def check_limits(sources: Sequence[str], types: Sequence[str]) -> None:
    """Raises ``Refused("credential.invalid")`` for limits that are too many or not well formed."""
    if len(sources) > LIMITS_MAX or len(types) > LIMITS_MAX:
        given = f"{len(sources)} sources and {len(types)} types"
        raise Refused("credential.invalid", f"{given} were given; at most {LIMITS_MAX} of each are possible")
    for source in sources:
        if not PREFIX.fullmatch(source):
            why = f"source {source[:100]!r} must be 1 to 100 printable ASCII characters"
            raise Refused("credential.invalid", why)
        if fault := fault_in(source):
            raise Refused("credential.invalid", f"source {source!r} can begin no URI reference: {fault}")
        if normalised(source) != source:
            why = f"source {source!r} is another spelling of {normalised(source)!r}; give it so"
            raise Refused("credential.invalid", why)
    for type in types:
        if not PATTERN.fullmatch(type) or type.count("*") > STARS_MAX:
            why = f"type {type[:100]!r} must be 1 to 100 printable ASCII characters, with {STARS_MAX} * at most"
            raise Refused("credential.invalid", why)


def require_allowed(sources: Sequence[str], types: Sequence[str], source: str, type: str) -> None:
    """Raises ``Refused`` ``event.source_forbidden`` or ``event.type_forbidden`` for an event outside the limits.

    What counts is the source that ``source`` leads to: ``/ci/../deploy`` is below ``/``, and not below ``/ci/``.
    """
    plain = normalised(source)
    if sources and not any(plain.startswith(respelled(prefix)) for prefix in sources):
        why = f"source is {source[:100]!r}; this publisher may use sources that begin with {', '.join(sources)}"
        raise Refused("event.source_forbidden", why)
    if types and not any(matches(pattern, type) for pattern in types):
        why = f"type is {type[:100]!r}; this publisher may publish the types {', '.join(types)}"
        raise Refused("event.type_forbidden", why)
