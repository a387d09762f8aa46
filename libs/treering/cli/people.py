"""Names for the opaque ids of actors, where this user may read them and the log was told the same."""

from __future__ import annotations

from pathlib import Path


def names_of(home: Path) -> dict[str, str]:
    """Display names by actor id, only those that are proven; nothing when the files cannot be read."""
    from treering.adapters.names import FILE_NAME, proven_names
    from treering.config import Home
    from treering.kernel.refusal import Refused

    at = Home(home.absolute())
    if not (at.keys / FILE_NAME).exists():
        return {}
    try:
        return proven_names(at).names
    except (OSError, Refused):
        return {}


def who(name: str, via: str) -> str:
    """Who did something, and through which job when it was one that had their rights."""
    return f"{name} via {via.replace(':', '/', 1)}" if via else name
