"""How many events a webhook is sent in a second, to a sink on this machine that takes each at once.

Bar: >= 1,000 deliveries/s. Beside it, what is left of a bare loop that posts as many bytes on as many connections and
does nothing else: no log to read, no signature, no record of what was delivered.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop

from bench.installation import Api, running_treering
from bench.report import Line, report

EVENTS = 5000
BATCH = 500
CONNECTIONS = 32  # the window of a webhook: treering_services/notifier/courier.py
BODY = b"x" * 420  # about an event of ours
HOOK = "/v1/workspaces/main/webhooks"


class Sink:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.expected = 0
        assert process.stdout is not None
        self.port = int(process.stdout.readline())

    def took(self, count: int) -> float:
        """When it had ``count`` more."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.expected += count
        self.process.stdin.write(f"{self.expected}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


@contextmanager
def running_sink() -> Iterator[Sink]:
    command = [sys.executable, "-m", "bench.webhook_sink"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Sink(process)
        process.terminate()


async def bare(port: int) -> None:
    left = iter(range(EVENTS))
    request = f"POST /bare HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(BODY)}\r\n\r\n".encode() + BODY

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in left:
            writer.write(request)
            await reader.readuntil(b"\r\n\r\n")
        writer.close()

    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))


def deliveries(api: Api, sink: Sink, run: str) -> float:
    """Deliveries a second of events that waited while the webhook was paused."""
    api.call("POST", HOOK, {"name": run, "url": f"http://127.0.0.1:{sink.port}/", "types": [f"bench.{run}"]})
    api.call("POST", f"{HOOK}/{run}/pause")
    for first in range(0, EVENTS, BATCH):
        batch = [
            {"id": f"{run}{number}", "source": "/bench", "type": f"bench.{run}", "data": {"number": number}}
            for number in range(first, first + BATCH)
        ]
        api.call("POST", "/v1/workspaces/main/events", batch)
    began = time.time()
    api.call("POST", f"{HOOK}/{run}/resume")
    return EVENTS / (sink.took(EVENTS) - began)


def bare_rate(sink: Sink) -> float:
    began = time.time()
    uvloop.run(bare(sink.port))
    return EVENTS / (sink.took(EVENTS) - began)


def main() -> None:
    os.environ["TREERING_ALLOW_ADDRESSES"] = "127.0.0.1"
    with tempfile.TemporaryDirectory() as name, running_treering(Path(name) / "home") as home, running_sink() as sink:
        api = Api(home)
        rates = [(deliveries(api, sink, f"r{number}"), bare_rate(sink)) for number in range(3)]
    ours, loop = max(rates)
    report(
        "webhooks",
        Line("bare loop, 32 connections", f"{loop:.0f}/s"),
        Line("delivered to a local sink (ratio to 1,000/s)", f"{ours:.0f}/s", ours / 1000, ">=", 1),
        Line("delivered, to the bare loop", f"{ours / loop:.2f}"),
    )


if __name__ == "__main__":
    main()
