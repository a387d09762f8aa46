"""An HTTP server that drips: one byte now and then, for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from treering.kernel.listening import listening

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\ncontent-type: text/html\r\n\r\n"


@dataclass
class Drips:
    """``bytes_at_once`` every ``pause_seconds``; ``asked`` is set when somebody has begun to read."""

    url: str = ""
    bytes_at_once: int = 1
    pause_seconds: float = 0.05
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            self.asked.set()
            writer.write(HEAD)
            while True:
                writer.write(b"x" * self.bytes_at_once)
                await writer.drain()
                await asyncio.sleep(self.pause_seconds)  # that is what it does, not a wait for something
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()


@asynccontextmanager
async def dripping(bytes_at_once: int = 1) -> AsyncIterator[Drips]:
    drips = Drips(bytes_at_once=bytes_at_once)
    async with listening(drips.serve) as port:
        drips.url = f"http://127.0.0.1:{port}"
        yield drips
