"""The watching side of bench/subscribers.py, in a process of its own: many connections, and how late events came.

Prints one JSON line when all are connected, another with the figures at the end of its standard input.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import cast
from urllib.parse import urlsplit

import uvloop

SENT = b'"sent":'
DATA = b"\ndata: "


class Watcher(asyncio.Protocol):
    """Counts events; the first of each chunk, which has waited longest, tells how late the chunk is."""

    def __init__(self, head: bytes, late_ms: list[tuple[float, int]], opened: asyncio.Queue[None]) -> None:
        self.head = head
        self.late_ms = late_ms
        self.opened = opened
        self.events = 0
        self.begun = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).write(self.head)  # uvloop's own class, not a subclass of it

    def data_received(self, data: bytes) -> None:
        if not self.begun:
            self.begun = True
            self.opened.put_nowait(None)
        count = data.count(DATA)
        if not count:
            return
        self.events += count
        at = data.find(SENT)
        if at >= 0:
            try:
                sent = float(data[at + len(SENT) : at + len(SENT) + 17].split(b"}")[0].split(b",")[0])
            except ValueError:  # cut by the end of the chunk
                return
            self.late_ms.append(((time.time() - sent) * 1000, count))


async def main(url: str, token: str, path: str, count: int) -> None:
    loop, late_ms, opened = asyncio.get_running_loop(), list[tuple[float, int]](), asyncio.Queue[None]()
    parts = urlsplit(url)
    watchers: list[Watcher] = []
    for number in range(count):
        head = (
            f"GET {path.replace('NUMBER', str(number))} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            f"Accept: text/event-stream\r\nAuthorization: Bearer {token}\r\n\r\n"
        )
        watcher = Watcher(head.encode(), late_ms, opened)
        await loop.create_connection(lambda one=watcher: one, parts.hostname, parts.port)  # type: ignore[misc, arg-type]
        watchers.append(watcher)
        await opened.get()
    print(json.dumps({"connected": count}), flush=True)
    began = time.process_time()
    await loop.run_in_executor(None, sys.stdin.read)
    weighed = sorted(late_ms)
    total = sum(weight for _, weight in weighed)
    print(json.dumps({"events": sum(one.events for one in watchers), "cpu_seconds": time.process_time() - began,
                      "p50_ms": quantile(weighed, total * 0.5), "p99_ms": quantile(weighed, total * 0.99),
                      "max_ms": weighed[-1][0] if weighed else 0.0}), flush=True)  # fmt: skip


def quantile(weighed: list[tuple[float, int]], rank: float) -> float:
    for value, weight in weighed:
        rank -= weight
        if rank <= 0:
            return value
    return 0.0


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.stdin.readline().strip(), sys.argv[2], int(sys.argv[3])))
