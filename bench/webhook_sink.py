"""The receiving side of bench/webhooks.py, in a process of its own: answers 200 and counts.

Prints its port; then, for each line on its standard input (a number), one line when so many have come.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import cast

import httptools
import uvloop

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


class Counter:
    def __init__(self) -> None:
        self.count = 0
        self.moved = asyncio.Event()


class Receiver(asyncio.Protocol):
    def __init__(self, counter: Counter) -> None:
        self.counter = counter
        self.parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        self.transport.write(OK)
        self.counter.count += 1
        self.counter.moved.set()


async def main() -> None:
    loop, counter = asyncio.get_running_loop(), Counter()
    server = await loop.create_server(lambda: Receiver(counter), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        while counter.count < int(line):
            counter.moved.clear()
            await counter.moved.wait()
        print(time.time(), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
