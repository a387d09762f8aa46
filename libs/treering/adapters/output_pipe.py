"""Read what a job writes: bounded, so that a job that nobody reads waits; and ending when the job has ended."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import cast

BUFFER_BYTES_MAX = 256 * 1024
LAST_BYTES_MAX = 2 * 1024 * 1024  # What one pipe can hold, at the most a job may ask the kernel for, and some.
DRAIN_SECONDS = 1.0


class OutputPipe(asyncio.Protocol):
    """The reading end of a job's output."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._changed = asyncio.Event()
        self._transport: asyncio.ReadTransport | None = None
        self._job_ended = False
        self._closed = False

    @classmethod
    async def open(cls, descriptor: int) -> OutputPipe:
        """Read from ``descriptor``, which belongs to the result from now on."""
        file = os.fdopen(descriptor, "rb", 0)
        _, protocol = await asyncio.get_running_loop().connect_read_pipe(cls, file)
        return protocol

    async def chunks(self) -> AsyncIterator[bytes]:
        """What was written, as it comes. For one reader."""
        while self._buffer or not self._closed:
            if self._buffer:
                chunk = bytes(self._buffer)
                self._buffer.clear()
                self._resume()
                yield chunk
            else:
                self._changed.clear()
                await self._changed.wait()

    def job_ended(self) -> None:
        """Take what is in the pipe, and end. Who holds the pipe and is not of the job is not waited for."""
        self._job_ended = True
        self._resume()
        asyncio.get_running_loop().call_later(DRAIN_SECONDS, self.close)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.ReadTransport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._changed.set()
        if self._job_ended and len(self._buffer) >= BUFFER_BYTES_MAX + LAST_BYTES_MAX:
            self.close()
        elif not self._job_ended and len(self._buffer) >= BUFFER_BYTES_MAX and self._transport is not None:
            self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed = True
        self._transport = None
        self._changed.set()

    def _resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
