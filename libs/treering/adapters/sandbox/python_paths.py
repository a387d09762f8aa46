"""Which files a Python needs to start: its environment, and the Python that it was made from, wherever that is."""

from __future__ import annotations

import os
import sysconfig
from functools import lru_cache
from pathlib import Path

LINKS_MAX = 40


@lru_cache(maxsize=1000)
def python_paths(python: Path) -> tuple[Path, ...]:
    """The folders to show for the executable ``python``. An environment never changes, so they are looked up once.

    Each step of the chain of links is followed: uv's environments lead to a folder of a minor version, that to one of
    a patch release.
    """
    found = [python.parent.parent] if (python.parent.parent / "pyvenv.cfg").exists() else []
    for here in chain(python):
        found += installation(here)
    found += installation(python.resolve())
    return tuple(dict.fromkeys(found))


def chain(python: Path) -> list[Path]:
    """Where the link ``python`` leads, one step after another; none where it is no link."""
    found: list[Path] = []
    here = python
    while here.is_symlink() and len(found) < LINKS_MAX:
        here = Path(os.path.normpath(here.parent / os.readlink(here)))
        found.append(here)
    return found


def installation(python: Path) -> list[Path]:
    """The prefix of ``python``, or only the parts that it needs where the prefix is somebody's home or the root."""
    prefix = python.parent.parent
    if not is_broad(prefix):
        return [prefix]
    name = sysconfig.get_path("stdlib").rsplit("/", 1)[-1]
    return [python.parent, *sorted(prefix.glob("lib/python3*")), *sorted(prefix.glob("lib/libpython3*")), prefix / name]


def is_broad(prefix: Path) -> bool:
    """Whether more than a Python lies below: the root, a folder at the top, or a home."""
    return len(prefix.parts) <= 2 or prefix == Path.home() or prefix.parent == Path("/home")
