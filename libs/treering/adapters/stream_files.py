"""Reads a stream from the files of a nats-server, also while it runs: the server answers from its memory instead.

Each block of a stream (``msgs/<n>.blk``) is a row of records (nats-server, server/filestore.go), little-endian:

    length 4 (its highest bit: there are headers) | position 8 | time 8 | subject's length 2 | subject
    | headers' length 4, headers (only with that bit) | body | HighwayHash-64 of position, time, subject, headers, body
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from treering.adapters.highway_hash import highway_hash_64

HEAD = struct.Struct("<IQQH")
HAS_HEADERS = 1 << 31
SUM_BYTES = 8
LENGTH_BYTES = 4


class FileDamaged(Exception):
    """A block is not a row of records; ``position`` is the first that cannot be read."""

    def __init__(self, path: Path, position: int, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path, self.position, self.why = path, position, why


class Record(NamedTuple):
    position: int
    subject: bytes
    body: bytes
    summed: bytes  # what its hash is over
    sum: bytes


def blocks_of(folder: Path) -> list[Path]:
    """The blocks of the stream whose folder this is, in the order of the log."""
    found = [path for path in (folder / "msgs").glob("*.blk") if path.stem.isdecimal()]
    return sorted(found, key=lambda path: int(path.stem))


def records_of(path: Path, due: int, *, last: bool) -> Iterator[Record]:
    """The records of one block, the first of which must be at ``due``; FileDamaged names what is not.

    In the ``last`` block a record that is cut off is one that the server is writing.
    """
    data = path.read_bytes()
    at = 0
    while at < len(data):
        record, size = record_at(data, at)
        if record is None:
            if last and size > len(data) - at:
                return
            raise FileDamaged(path, due, f"byte {at} is not the beginning of a record")
        if record.position != due:
            raise FileDamaged(path, due, f"byte {at} should be position {due} and says {record.position}")
        yield record
        at, due = at + size, due + 1


def record_at(data: bytes, at: int) -> tuple[Record | None, int]:
    """The record at ``at`` and its size; None when there is no whole one."""
    if len(data) - at < HEAD.size:
        return None, HEAD.size
    length, position, _, subject_length = HEAD.unpack_from(data, at)
    size = length & ~HAS_HEADERS
    first, end = at + HEAD.size, at + size - SUM_BYTES
    rest = first + subject_length
    if rest > end or end + SUM_BYTES > len(data):
        return None, size
    body = rest
    if length & HAS_HEADERS:
        rest += LENGTH_BYTES
        body = rest + int.from_bytes(data[rest - LENGTH_BYTES : rest], "little")
        if body > end:
            return None, 0
    subject = data[first : first + subject_length]
    summed = data[at + 4 : at + 20] + subject + data[rest:end]
    return Record(position, subject, data[body:end], summed, data[end : end + SUM_BYTES]), size


def key_of(stream: str, block: Path) -> bytes:
    """What the hashes of a block are keyed with."""
    return hashlib.sha256(f"{stream}-{block.stem}".encode()).digest()


def sum_of(record: Record, key: bytes) -> bytes:
    return highway_hash_64(key, record.summed)
