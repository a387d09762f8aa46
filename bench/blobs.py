"""What it costs to hash blobs as they are downloaded, against sending files that nobody checks, in one run.

Bars: a blob that this process has hashed before at >= 0.9 of an unchecked one's throughput, a first read at >= 0.4.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import uvicorn
from anyio.to_thread import run_sync
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from bench.report import Line, report
from treering.adapters.blobs import LocalBlobs
from treering.adapters.checked_blobs import CHUNK_BYTES
from treering.kernel.blobs import digest_of
from treering_services.gateway.blobs import begun
from treering_services.gateway.http.connections import Connections
from treering_services.gateway.http.limits import limits_here
from treering_services.gateway.http.protocol import LimitedProtocol
from treering_services.gateway.service import listen

SIZES = (16 * 1024, 64 * 1024 * 1024)
ROUNDS = {SIZES[0]: 150, SIZES[1]: 11}
KINDS = ("unchecked", "checked", "first")


class Downloads:
    """The gateway's way of sending a blob, without its authentication, for blobs below ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.kept = LocalBlobs(root)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        _, kind, digest = scope["path"].split("/")
        blobs = self.kept if kind == "checked" else LocalBlobs(self.root)
        chunks = unchecked(blobs.path_of(digest)) if kind == "unchecked" else await begun(blobs.read(digest))
        size = str(await blobs.size(digest))
        await StreamingResponse(chunks, headers={"content-length": size})(scope, receive, send)


async def unchecked(path: Path) -> AsyncIterator[bytes]:
    """As blobs were sent before they were hashed."""
    with await run_sync(path.open, "rb") as file:
        while chunk := await run_sync(file.read, CHUNK_BYTES):
            yield chunk


def serve(root: Path, listener: socket.socket) -> None:
    connections = Connections(limits_here())

    def protocol(config: uvicorn.Config, server_state: Any, app_state: Any, _loop: Any = None) -> LimitedProtocol:
        return LimitedProtocol(connections, config, server_state, _loop or asyncio.get_running_loop())

    made_by: Any = protocol  # uvicorn calls it as it would a class
    config = uvicorn.Config(
        Downloads(root), http=made_by, lifespan="off", ws="none", access_log=False, log_level="error"
    )
    asyncio.run(uvicorn.Server(config).serve([listener]))


@contextmanager
def server(root: Path) -> Iterator[int]:
    listener = listen("127.0.0.1", 0)
    process = get_context("fork").Process(target=serve, args=(root, listener), daemon=True)
    process.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        process.terminate()
        process.join(10)


def seconds(connection: http.client.HTTPConnection, path: str, size: int) -> float:
    began = time.perf_counter()
    connection.request("GET", path)
    reply = connection.getresponse()
    received = 0
    while chunk := reply.read(CHUNK_BYTES):
        received += len(chunk)
    assert received == size
    return time.perf_counter() - began


def main() -> None:
    assert threading.active_count() == 1, "the server is forked"
    lines: list[Line] = []
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        content = {size: os.urandom(size) for size in SIZES}
        for data in content.values():
            LocalBlobs(root).store(data)
        with server(root) as port:
            for size, data in content.items():
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                taken: dict[str, list[float]] = {kind: [] for kind in KINDS}
                for kind in KINDS * (ROUNDS[size] + 1):  # alternating: what else the machine does hits all alike
                    taken[kind].append(seconds(connection, f"/{kind}/{digest_of(data)}", size))
                lines += compared(size, {kind: statistics.median(found[1:]) for kind, found in taken.items()})
    report("downloads of blobs", *lines)


def compared(size: int, median: dict[str, float]) -> Iterator[Line]:
    for kind, bar in zip(KINDS, (0.0, 0.9, 0.4), strict=True):
        figure = f"{size / median[kind] / 1e6:,.0f} MB/s" if size > CHUNK_BYTES else f"{median[kind] * 1e3:.2f} ms"
        ratio = median["unchecked"] / median[kind] if bar else None
        yield Line(f"{size // 1024:,} KiB, {kind}", figure, ratio, ">=", bar)


if __name__ == "__main__":
    main()
