"""Content by its digest: bytes that never change, under the one name they can have.

A digest is ``sha256:`` and 64 hexadecimal digits. Putting the same bytes twice stores them once.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Protocol

from treering.kernel.refusal import Refused

PREFIX = "sha256:"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Blobs(Protocol):
    """Raises ``Refused``: ``blob.digest_invalid``, ``blob.digest_mismatch``, ``blob.absent``, ``blob.damaged``."""

    async def put_bytes(self, data: bytes) -> str:
        """Store ``data``; its digest."""
        ...

    async def put_file(self, path: Path) -> str:
        """Store the content of a file; its digest. The file stays as it is."""
        ...

    async def put_stream(self, chunks: AsyncIterator[bytes], expected: str | None = None) -> str:
        """Store what comes; its digest. Nothing is stored unless all came and its digest is ``expected``."""
        ...

    async def size(self, digest: str) -> int | None:
        """Bytes of a blob, None when there is no such blob."""
        ...

    async def missing(self, digests: Sequence[str]) -> list[str]:
        """Those of ``digests`` that are not stored, each once, in the order given."""
        ...

    def read(self, digest: str, start: int = 0) -> AsyncIterator[bytes]:
        """The blob from byte ``start`` in chunks; a missing blob is refused when the first is asked for.

        One whose content is not what its name says is refused before the last chunk: who has all chunks has the blob.
        """
        ...


def checked_digest(digest: str) -> str:
    """``digest`` itself, or ``Refused("blob.digest_invalid")``."""
    if not DIGEST.fullmatch(digest):
        raise Refused("blob.digest_invalid", f"{digest[:80]!r} is no digest; 'sha256:' and 64 of 0-9a-f is needed")
    return digest


def digest_of(data: bytes) -> str:
    return PREFIX + hashlib.sha256(data).hexdigest()


def absent(digest: str) -> Refused:
    return Refused("blob.absent", f"there is no blob {digest}; put it first")


def damaged(digest: str) -> Refused:
    """What is stored under ``digest`` is something else by now."""
    mend = "put it back with `treering blob verify --mend-from BACKUP`, or upload it again"
    return Refused("blob.damaged", f"the blob {digest} was changed where it is kept, so it is not used; {mend}")
