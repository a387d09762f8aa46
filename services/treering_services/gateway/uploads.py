"""HTTP bodies taken in large blocks.

uvicorn wakes the application for every read of the socket (64 KB at most) and stops reading meanwhile. For a body of
gigabytes that is most of the work, so here the application is woken when there is a block, or all of it. What was
read is kept as it came and joined once.
"""

from __future__ import annotations

import asyncio
from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from treering_services.gateway.joined_writes import JoinedWrites

BLOCK_BYTES = 1024 * 1024  # of these up to three are in memory for each upload under way


class Gathered:
    """Stands in for the ``bytearray`` in which uvicorn gathers a body: it is added to, measured, and read once."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size_bytes = 0

    def __iadd__(self, part: bytes) -> Gathered:
        self.parts.append(part)
        self.size_bytes += len(part)
        return self

    def __len__(self) -> int:
        return self.size_bytes

    def __bytes__(self) -> bytes:
        return b"".join(self.parts)


class UploadProtocol(HttpToolsProtocol):
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.transport = JoinedWrites(transport, self.loop)

    def on_body(self, body: bytes) -> None:
        """The parser has found more of the body."""
        cycle = self.cycle
        if cycle.response_complete:
            return
        if not cycle.body:
            cycle.body = cast(bytearray, Gathered())
        cycle.body += body
        if len(cycle.body) >= BLOCK_BYTES:
            self.flow.pause_reading()
            cycle.message_event.set()
