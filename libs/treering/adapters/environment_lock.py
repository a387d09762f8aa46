"""Reads the lock of an environment: the requirements that uv found, each exact and with the hashes of its files."""

from __future__ import annotations

import re

from packaging.requirements import InvalidRequirement, Requirement

from treering.adapters.pythons import Python
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


def package_count(lock_text: str, python: Python) -> int:
    """The packages of a lock that this platform and Python get."""
    here = {
        "python_version": ".".join(map(str, python.version.release[:2])),
        "python_full_version": str(python.version),
    }
    lines = [line.removesuffix("\\") for line in lock_text.splitlines() if line[:1].isalnum()]
    markers = [Requirement(line).marker for line in lines]
    return sum(marker is None or marker.evaluate(here) for marker in markers)
