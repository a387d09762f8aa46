"""A thousand subscribers: how late events come, what each costs, and what one that does not read costs the others.

The gateway runs alone in a process; publishing, NATS and the registry share another, the watchers a third. Bars:
p99 <= 250 ms, <= 100 kB each, and with stalled readers beside them the others' p99 stays <= 2 times as it was or
within the bar. On a machine that is busy the log itself takes longer than 250 ms to acknowledge an event; then the
ratio of the two says what watching adds.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from bench.installation import Api, running_treering
from bench.report import Line, report

SUBSCRIBERS = 1000
RATE = 1000
SECONDS = 8
BATCH = 20
STALLED = 20
ALL = "/v1/events?since=now"
OWN = "/v1/events?since=now&type=bench.tNUMBER"


@contextmanager
def watching(home: Path, path: str, count: int) -> Iterator[subprocess.Popen[str]]:
    url, token = ((home / name).read_text().strip() for name in ("url", "token"))
    command = [sys.executable, "-m", "bench.subscriber_client", url, path, str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdin is not None and client.stdout is not None
        client.stdin.write(token + "\n")
        client.stdin.flush()
        client.stdout.readline()
        yield client


def publish(home: Path, seconds: float, types: int, run: str) -> tuple[float, float, float]:
    """``RATE`` events a second from four connections: the rate that was reached, and how long a batch waited for its
    acknowledgement (milliseconds, p50 and p99): that much of the delay is the log's, not the subscribers'."""
    began = time.perf_counter()
    published, acknowledged = [0], list[float]()

    def some(worker: int) -> None:
        api, number = Api(home), worker
        while (now := time.perf_counter() - began) < seconds:
            if published[0] > now * RATE:
                time.sleep(0.002)
                continue
            published[0] += BATCH
            events = []
            for _ in range(BATCH):
                events.append({"id": str(number), "source": f"/{run}", "type": f"bench.t{number % types}",
                               "data": {"sent": round(time.time(), 4), "text": "x" * 100}})  # fmt: skip
                number += 4
            asked = time.perf_counter()
            api.call("POST", "/v1/workspaces/main/events", events)
            acknowledged.append((time.perf_counter() - asked) * 1000)

    threads = [threading.Thread(target=some, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    waits = sorted(acknowledged)
    return published[0] / (time.perf_counter() - began), statistics.median(waits), waits[int(len(waits) * 0.99)]


def stall(home: Path, count: int) -> list[socket.socket]:
    """Connections that ask for everything and read nothing."""
    token, parts = (home / "token").read_text().strip(), urlsplit((home / "url").read_text().strip())
    sockets = []
    for _ in range(count):
        one = socket.create_connection((parts.hostname or "", parts.port or 0))
        one.sendall(
            f"GET {ALL} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: text/event-stream\r\n"
            f"Authorization: Bearer {token}\r\n\r\n".encode()
        )
        sockets.append(one)
    return sockets


def measured(home: Path, gateway: psutil.Process, path: str, types: int, count: int, run: str) -> dict[str, float]:
    before = gateway.memory_info().rss
    with watching(home, path, count) as client:
        connected = gateway.memory_info().rss
        cpu = sum(gateway.cpu_times()[:2])
        rate, ack, slow = publish(home, SECONDS, types, run)
        cpu = sum(gateway.cpu_times()[:2]) - cpu
        time.sleep(1)
        peak = gateway.memory_info().rss
        out, _ = client.communicate()
    found: dict[str, float] = json.loads(out)
    found |= {
        "ack_ms": ack,
        "ack_p99_ms": slow,
        "rate": rate,
        "gateway_cpu": cpu / SECONDS,
        "client_cpu": found["cpu_seconds"] / SECONDS,
    }
    found |= {"idle_kb": (connected - before) / count / 1000, "peak_kb": (peak - before) / count / 1000}
    return found


def lines(name: str, found: dict[str, float]) -> list[Line]:
    return [
        Line(f"{name}: published", f"{found['rate']:.0f}/s", found["rate"] / RATE, ">=", 0.95),
        Line(f"{name}: delivered", f"{found['events'] / SECONDS:.0f}/s"),
        Line(f"{name}: publishing acknowledged p50 / p99", f"{found['ack_ms']:.0f}/{found['ack_p99_ms']:.0f} ms"),
        Line(f"{name}: delivery p50", f"{found['p50_ms']:.0f} ms"),
        Line(f"{name}: delivery p99 (ratio to 250 ms)", f"{found['p99_ms']:.0f} ms", found["p99_ms"] / 250, "<=", 1),
        Line(f"{name}: delivery p99, to acknowledgement p99", "", found["p99_ms"] / found["ack_p99_ms"], "<=", 1.1),
        *memory(name, found),
        Line(f"{name}: treering's CPU a delivery", f"{found['gateway_cpu'] * SECONDS / found['events'] * 1e6:.1f} us"),
        Line(f"{name}: CPU of treering / of the watchers", f"{found['gateway_cpu']:.2f}/{found['client_cpu']:.2f}"),
    ]  # fmt: skip


def memory(name: str, found: dict[str, float]) -> list[Line]:
    """Of a thousand; with few, the ring they all share would be most of it."""
    if name not in ("own", "all"):
        return []
    busy = found["peak_kb"]
    return [
        Line(f"{name}: memory each, idle", f"{found['idle_kb']:.0f} kB"),
        Line(f"{name}: memory each, busy (ratio to 100 kB)", f"{busy:.0f} kB", busy / 100, "<=", 1),
    ]


def main() -> None:
    with tempfile.TemporaryDirectory() as name, running_treering(Path(name) / "home") as home:
        gateway = gateway_of(home)
        publish(home, 1, 1, "warm")
        own = measured(home, gateway, OWN, SUBSCRIBERS, SUBSCRIBERS, "own")
        few = measured(home, gateway, ALL, 1, 50, "few")
        sockets = stall(home, STALLED)
        beside = measured(home, gateway, ALL, 1, 50, "beside")
        for one in sockets:
            one.close()
        everything = measured(home, gateway, ALL, 1, SUBSCRIBERS, "all")
    report("1,000 subscribers, each of its own type of 1,000 events/s", *lines("own", own))
    report(
        "50 subscribers of everything, alone and beside 20 that do not read",
        *lines("alone", few),
        *lines("beside", beside),
        Line("p99 beside, to alone", "", beside["p99_ms"] / max(few["p99_ms"], 125), "<=", 2),
    )
    report("1,000 subscribers of everything: 1,000,000 deliveries/s asked of this machine", *lines("all", everything))


def gateway_of(home: Path) -> psutil.Process:
    """The process that listens where ``<home>/url`` says: a child of ours."""
    port = urlsplit((home / "url").read_text().strip()).port
    for process in psutil.Process(os.getpid()).children(recursive=True):
        if any(one.status == "LISTEN" and one.laddr.port == port for one in process.net_connections("tcp")):
            return process
    raise RuntimeError("nobody listens at the gateway's address")


if __name__ == "__main__":
    main()
