"""Finds the Pythons that are installed on this machine; none is ever downloaded."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import NamedTuple

import msgspec
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from treering.adapters.uv import run_uv
from treering.kernel.refusal import Refused
from treering.specs.requirements import python_versions

OLDEST = Version("3.8")  # older ones cannot be given packages by uv
LIST_TIMEOUT_SECONDS = 60.0


class Python(NamedTuple):
    version: Version
    path: Path


class Listed(msgspec.Struct):
    """One line of ``uv python list``."""

    version: str
    path: str | None
    implementation: str
    variant: str = "default"


async def find_python(wanted: str, folder: Path) -> Python:
    """The running Python when it fits ``wanted`` (see ``python_versions``), else the newest that does.

    Of an exact version such as 3.8.5 another patch release (3.8.18) will do when that very one is absent.
    Raises ``Refused`` ``environment.python_absent``, ``environment.python_invalid``.
    """
    versions = python_versions(wanted)
    if running().version in versions:
        return running()
    installed = pyenv_pythons()
    found = newest(installed, versions)
    if found is None:
        installed += await uv_pythons(folder)
        found = newest(installed, versions) or newest(installed, same_minor(wanted))
    if found is None:
        there = ", ".join(sorted({str(one.version) for one in [running(), *installed]}, key=Version))
        have = f"which has {there} ({OLDEST} and later are used)"
        message = f"python: {wanted} is not installed on this machine, {have}; install it or take another"
        raise Refused("environment.python_absent", message)
    return found


def newest(pythons: list[Python], versions: SpecifierSet | None) -> Python | None:
    fitting = [one for one in pythons if versions is not None and one.version in versions]
    return max(fitting, default=None)


def same_minor(wanted: str) -> SpecifierSet | None:
    """Every patch release beside ``wanted``; None when it is not an exact version."""
    parts = wanted.strip().removeprefix("==").split(".")
    return python_versions(".".join(parts[:2])) if len(parts) == 3 and all(map(str.isdigit, parts)) else None


def running() -> Python:
    return Python(Version(platform.python_version()), Path(sys.executable))


def pyenv_pythons() -> list[Python]:
    """Those of pyenv, whose shims on PATH uv cannot run; a folder's name is the version."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    folders = sorted((root / "versions").glob("*"))
    return [one for folder in folders if (one := usable(folder.name, folder / "bin" / "python")) is not None]


async def uv_pythons(folder: Path) -> list[Python]:
    """All that uv finds: on PATH, and those it installed itself."""
    arguments = ["python", "list", "--only-installed", "--output-format", "json"]
    finished = await run_uv(arguments, folder, LIST_TIMEOUT_SECONDS)
    if finished.code != 0:
        return []
    listed = msgspec.json.decode(finished.output, type=list[Listed])
    plain = [one for one in listed if one.implementation == "cpython" and one.variant == "default" and one.path]
    found = [usable(one.version, folder / (one.path or "")) for one in plain]
    return [one for one in found if one is not None]


def usable(version: str, path: Path) -> Python | None:
    try:
        parsed = Version(version)
    except InvalidVersion:  # a virtual environment, or another implementation
        return None
    return Python(parsed, path) if parsed >= OLDEST and os.access(path, os.X_OK) else None
