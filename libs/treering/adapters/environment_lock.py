"""Reads the lock of an environment: the requirements that uv found, each exact and with the hashes of its files."""

from __future__ import annotations

import re

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from treering.adapters.pythons import Python
from treering.adapters.uv_progress import Package
from treering.kernel.refusal import Refused

HASH = re.compile(r"\s+--hash=[a-z0-9]+:[0-9a-f]+")


def checked_lock(text: str) -> str:
    """``text``, or ``Refused`` ``environment.lock_invalid``.

    A package that is built while uv solves can write into uv's output. An option there, such as an index or a file of
    this machine, would be obeyed by the next run of uv, which writes to the cache that all environments share.
    """
    for line in text.splitlines():
        if not is_expected(line.removesuffix("\\").rstrip()):
            message = f"requirements: uv's solution has a line that is no exact version with hashes: {line[:80]!r}"
            raise Refused("environment.lock_invalid", message)
    return text


def is_expected(line: str) -> bool:
    if not line or line.startswith("#") or HASH.fullmatch(line):
        return True
    try:
        found = Requirement(line)
    except InvalidRequirement:
        return False
    return line[0].isalnum() and found.url is None and [one.operator for one in found.specifier] == ["=="]


def packages_of(lock_text: str, python: Python) -> tuple[Package, ...]:
    """The packages of a lock that this platform and Python get."""
    here = {
        "python_version": ".".join(map(str, python.version.release[:2])),
        "python_full_version": str(python.version),
    }
    found = [Requirement(line.removesuffix("\\")) for line in lock_text.splitlines() if line[:1].isalnum()]
    chosen = [one for one in found if one.marker is None or one.marker.evaluate(here)]
    return tuple(Package(canonicalize_name(one.name), str(one.specifier).removeprefix("==")) for one in chosen)
