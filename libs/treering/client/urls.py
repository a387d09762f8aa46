"""Names and parameters as parts of a URL."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode

from treering.kernel.refusal import Refused

MAIN = "main"


def query(parameters: Mapping[str, object]) -> str:
    """``?a=1&b=true``, or "" when nothing is left."""
    said = {name: value for name, value in parameters.items() if value is not None and value != ""}
    words = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in said.items()}
    try:
        return "?" + urlencode(words) if words else ""
    except UnicodeEncodeError:
        raise Refused("text.invalid", f"{sorted(words)}: one of the values is not valid text") from None


def tracking_uri(base: str, workspace: str) -> str:
    """Where MLflow's clients find the runs and models of a workspace; ``base`` is the address of the installation,
    or "" for the path alone."""
    return base if workspace in ("", MAIN) else f"{base}/w/{segment(workspace)}"


def segment(name: str) -> str:
    """A name as one part of a path. ``Refused("name.invalid")`` for one that would be taken for several, or for
    none: servers decode a path before they divide it."""
    if "/" in name or name in (".", ".."):
        raise Refused(
            "name.invalid",
            f"{name[:100]!r} cannot be a name: it would be read as a path; a name has no '/', and is not '.' or '..'",
        )
    try:
        return quote(name, safe=":@")
    except UnicodeEncodeError:
        raise Refused("name.invalid", f"{name!a} is not valid text") from None
