"""What several tests of adapters stand on."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from treering.adapters.remove_tree import remove_tree

NOBODY = 65534


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """A folder of an ordinary user, as whom the test runs: modes do not bind root."""
    root = Path(tempfile.mkdtemp())
    if os.geteuid() == 0:
        os.chown(root, NOBODY, NOBODY)
        os.seteuid(NOBODY)
    yield root
    os.seteuid(os.getuid())
    remove_tree(str(root))
