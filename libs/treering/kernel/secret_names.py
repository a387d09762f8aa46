"""Which names say that their value is a secret."""

from __future__ import annotations

import re
from collections.abc import Collection

SECRET_NAME = re.compile(
    r"passw|secret|token|api_?key|access_?key|private_?key|credential|connection_?string|sas_", re.IGNORECASE
)


def is_secret_name(name: str, declared: Collection[str] = ()) -> bool:
    """Whether the value of a variable of this name is a secret: by the name, or because it is declared."""
    return name in declared or SECRET_NAME.search(name) is not None
