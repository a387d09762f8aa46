"""What 500 connections of one job that log batches over MLflow's API cost the owner: p50 and p99, against those alone.

``python -m bench.body_flood``. The flood is a process of its own and never waits: a refused request is said again at
once. It shares the cores with all the rest, so a client alone with the machine would be quicker in any case.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import statistics
import tempfile
import time
from collections import Counter
from contextlib import suppress
from multiprocessing.queues import Queue
from pathlib import Path
from urllib.parse import urlsplit

from bench.connections import authorized
from bench.http_load import Connection, request
from bench.installation import Api, follow, running_treering
from bench.report import Line, report
from treering.adapters.tokens import mint_job_token
from treering.config import Home
from treering.kernel.subjects import Address

CONNECTIONS = 500
SECONDS = 8.0
PAUSE_SECONDS = 0.01
LOG_BATCH = "/api/2.0/mlflow/runs/log-batch"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, running_treering(Path(folder) / "home") as home:
        api = Api(home)
        since = api.submit("greedy", "sleep 600")
        follow(home, {"job.started"}, 1, since)
        url = (home / "url").read_text().strip()
        token = mint_job_token(Home(home), Address("main", "job", "greedy"), 1)
        run = made_run(url, (home / "token").read_text().strip())
        working(url, run)
        for title, body in bodies().items():
            alone = working(url, run)
            context = multiprocessing.get_context("spawn")
            statuses: Queue[Counter[str]] = context.Queue()
            asked = authorized(request(url, "POST", LOG_BATCH, body), token)
            flood = context.Process(target=flooding, args=(url, asked, SECONDS + 3, statuses), daemon=True)
            flood.start()
            time.sleep(2)
            beside = working(url, run)
            answered = statuses.get()
            flood.join()
            tell(title, alone, beside, answered)


def bodies() -> dict[str, bytes]:
    """Each with the greatest number of what may be in a batch, or as large as it may be."""
    metrics = [{"key": f"m{each}", "value": 1.5, "timestamp": 1, "step": each} for each in range(1000)]
    tags = [{"key": f"t{each}", "value": "v"} for each in range(100)]
    small = {"run_id": "greedy", "metrics": metrics[:250]}
    return {
        "250 metrics": json.dumps(small).encode(),
        "1,000 metrics": json.dumps({**small, "metrics": metrics}).encode(),
        "100 tags": json.dumps({"run_id": "greedy", "tags": tags}).encode(),
        "900 KB": json.dumps({"run_id": "greedy", "tags": [{"key": "t", "value": "x" * 890_000}]}).encode(),
    }


def made_run(url: str, token: str) -> bytes:
    """A request of the owner that logs one metric."""
    made = authorized(request(url, "POST", "/api/2.0/mlflow/runs/create", b'{"experiment_id":"0"}'), token)
    run = json.loads(Connection(url).ask(made))["run"]["info"]["run_id"]
    body = json.dumps({"run_id": run, "key": "loss", "value": 1.0, "timestamp": 1}).encode()
    return authorized(request(url, "POST", "/api/2.0/mlflow/runs/log-metric", body), token)


def working(url: str, asked: bytes) -> list[float]:
    """One request after the other for ``SECONDS``; the seconds of each."""
    connection, taken, began = Connection(url), list[float](), time.perf_counter()
    while time.perf_counter() - began < SECONDS:
        sent_at = time.perf_counter()
        try:
            connection.ask(asked)
            taken.append(time.perf_counter() - sent_at)
        except RuntimeError as refused:
            print(f"  the owner was refused after {time.perf_counter() - sent_at:.1f} s: {str(refused)[:40]!r}")
        time.sleep(PAUSE_SECONDS)
    connection.socket.close()
    return taken


def flooding(url: str, asked: bytes, seconds: float, statuses: Queue[Counter[str]]) -> None:
    counted: Counter[str] = Counter()

    async def one() -> None:
        where = urlsplit(url)
        while True:
            with suppress(OSError, asyncio.IncompleteReadError, ValueError):
                reader, writer = await asyncio.open_connection(where.hostname, where.port)
                while True:
                    writer.write(asked)
                    head = await reader.readuntil(b"\r\n\r\n")
                    fields = dict(line.split(": ", 1) for line in head.decode().lower().split("\r\n")[1:-2])
                    await reader.readexactly(int(fields["content-length"]))
                    counted[head[9:12].decode()] += 1
                    await writer.drain()

    async def all_of_them() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.gather(*(one() for _ in range(CONNECTIONS)))

    asyncio.run(all_of_them())
    statuses.put(counted)


def tell(title: str, alone: list[float], beside: list[float], answered: Counter[str]) -> None:
    p50, p99 = ([cut(one, which) for one in (alone, beside)] for which in (49, 98))
    report(
        f"One job posts {title} a request on {CONNECTIONS} connections",
        Line("its answers", ", ".join(f"{status}: {count:,}" for status, count in sorted(answered.items()))),
        Line("the owner's requests alone, beside", f"{len(alone):,}, {len(beside):,}"),
        *(
            Line(f"the owner's {name} alone, beside", f"{one:.0f}, {other:.0f} ms; {other / one:.1f} times")
            for name, (one, other) in {"p50": p50, "p99": p99}.items()
        ),
    )


def cut(taken: list[float], which: int) -> float:
    return statistics.quantiles(taken, n=100)[which] * 1000


if __name__ == "__main__":
    main()
