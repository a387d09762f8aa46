"""What an answer is written in, in one piece: uvicorn writes its head and its body apart, and each write is a system
call that wakes the client.

Small writes of one turn of the event loop are joined; large ones go at once, with what was waiting before them.
"""

from __future__ import annotations

import asyncio
from typing import Any

HELD_BYTES_MAX = 64 * 1024


class JoinedWrites(asyncio.Transport):
    """Stands in for the connection's ``transport``; what is not about writing is passed on to it."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.transport = transport
        self.loop = loop
        self.held: list[bytes | bytearray | memoryview] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if len(data) > HELD_BYTES_MAX:
            self.held.append(data)
            self.flush()
            return
        if not self.held:
            self.loop.call_soon(self.flush)
        self.held.append(data)

    def flush(self) -> None:
        held, self.held = self.held, []
        if not held or self.transport.is_closing():
            return
        if len(held) == 1:
            self.transport.write(held[0])
        elif len(held[-1]) > HELD_BYTES_MAX:
            self.transport.writelines(held)
        else:
            self.transport.write(b"".join(held))

    def close(self) -> None:
        self.flush()
        self.transport.close()

    def write_eof(self) -> None:
        """Nothing more is written; what the client still sends is read."""
        self.flush()
        if not self.transport.is_closing():
            self.transport.write_eof()

    def abort(self) -> None:
        self.held.clear()
        self.transport.abort()

    def is_closing(self) -> bool:
        return self.transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.transport.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.transport.set_protocol(protocol)

    def pause_reading(self) -> None:
        self.transport.pause_reading()

    def resume_reading(self) -> None:
        self.transport.resume_reading()
