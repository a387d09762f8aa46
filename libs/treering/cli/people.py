"""Names for the opaque ids of actors, where this user may read them: ``keys/actors.json`` of the home."""

from __future__ import annotations

import json
from pathlib import Path

BYTES_MAX = 1024 * 1024


def names_of(home: Path) -> dict[str, str]:
    """Display names by actor id; nothing when the file is not there, not readable or not what it should be."""
    try:
        with (home / "keys" / "actors.json").open("rb") as file:
            said = json.loads(file.read(BYTES_MAX))
    except (OSError, ValueError, RecursionError):
        return {}
    return {str(id): str(name) for id, name in said.items()} if isinstance(said, dict) else {}
