"""One byte range of a Range header (RFC 9110, 14.1.2)."""

from __future__ import annotations

import re
from typing import NamedTuple

from treering.kernel.refusal import Refused

RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class ByteRange(NamedTuple):
    """Bytes ``start`` to ``end``, the latter not included."""

    start: int
    end: int


def byte_range(header: str, size: int) -> ByteRange | None:
    """The part of ``size`` bytes that is asked for; None for all of them.

    Other units, several ranges and what is no range at all are ignored, as RFC 9110 14.2 allows;
    ``Refused("blob.range")`` when there is no such part.
    """
    match = RANGE.fullmatch(header.strip())
    if match is None or match[1] == match[2] == "":
        return None
    if not match[1]:
        start, end = max(0, size - int(match[2])), size
    else:
        start, end = int(match[1]), min(size, int(match[2]) + 1) if match[2] else size
        if match[2] and int(match[2]) < start:
            return None
    if start >= size:
        raise Refused("blob.range", f"there are {size} bytes, {header.strip()!r} asks for none of them")
    return ByteRange(start, end)
