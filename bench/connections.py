"""5,000 idle connections and one client that works: its p99 against that without them, in turns in one run.

``python -m bench.connections``. Half of the idle ones have asked once and are kept open, half have sent half a header.
"""

from __future__ import annotations

import resource
import socket
import statistics
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from bench.http_load import Connection, request
from bench.installation import Api, running_treering
from bench.report import Line, report

IDLE = 5_000
ROUNDS = 3
SECONDS = 2.5
BAR = 2.0
HALF = b"GET /healthz HTTP/1.1\r\nHost: "


def main() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as folder, running_treering(Path(folder) / "home") as home:
        url = (home / "url").read_text().strip()
        Api(home).call("POST", "/v1/workspaces/main/experiments/e/create")
        token = (home / "token").read_text().strip()
        asked = authorized(request(url, "GET", "/v1/workspaces/main/experiments/e"), token)
        alone, beside, open_after = [], [], IDLE
        working(url, asked)
        for _ in range(ROUNDS):
            alone += working(url, asked)
            idle = idle_connections(url)
            beside += working(url, asked)
            open_after = min(open_after, sum(still_open(one) for one in idle))
            for one in idle:
                one.close()
    p99 = [statistics.quantiles(taken, n=100)[98] * 1000 for taken in (alone, beside)]
    report(
        f"One client that works, beside {IDLE:,} idle connections (hard limit {hard:,})",
        Line("requests alone, beside", f"{len(alone):,}, {len(beside):,}"),
        Line("p50 alone, beside", ", ".join(f"{statistics.median(one) * 1000:.2f} ms" for one in (alone, beside))),
        Line("idle connections still open after each turn", f">= {open_after:,}"),
        Line("p99 alone, beside", f"{p99[0]:.2f}, {p99[1]:.2f} ms", p99[1] / p99[0], "<=", BAR),
    )


def authorized(whole: bytes, token: str) -> bytes:
    return whole.replace(b"\r\n\r\n", f"\r\nAuthorization: Bearer {token}\r\n\r\n".encode(), 1)


def working(url: str, asked: bytes) -> list[float]:
    """One request after the other for ``SECONDS``; the seconds of each."""
    connection, taken, began = Connection(url), list[float](), time.perf_counter()
    while time.perf_counter() - began < SECONDS:
        sent_at = time.perf_counter()
        connection.ask(asked)
        taken.append(time.perf_counter() - sent_at)
    connection.socket.close()
    return taken


def idle_connections(url: str) -> list[socket.socket]:
    where = urlsplit(url)
    whole = HALF + where.netloc.encode() + b"\r\n\r\n"
    opened = [socket.create_connection((where.hostname, where.port), timeout=60) for _ in range(IDLE)]
    for number, one in enumerate(opened):
        one.sendall(whole if number % 2 else HALF)
    for one in opened[1::2]:
        assert one.recv(4096).startswith(b"HTTP/1.1 200")
    return opened


def still_open(one: socket.socket) -> bool:
    one.setblocking(False)
    try:
        return bool(one.recv(4096, socket.MSG_PEEK))
    except BlockingIOError:
        return True
    except OSError:
        return False


if __name__ == "__main__":
    main()
