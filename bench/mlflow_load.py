"""treering against ``mlflow server`` 3.18: the same load on both, step by step, in one run.

    python -m bench.mlflow_load --mlflow VENV [--seconds 5] [--runs 1000]

VENV is a virtual environment with mlflow. Every write that treering acknowledges is on the disk; MLflow's SQLite
store is as it comes. ``--runs`` is how many runs the search is over; those of MLflow are copies (mlflow_fill.py).
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from bench.http_load import Connection, drive, request
from bench.mlflow_fill import Described, copy_runs
from bench.mlflow_servers import Server, mlflow_server, treering_server
from bench.report import Line, report

API = "/api/2.0/mlflow"
BATCH = 1000
TEXT_CHARACTERS = 5_000  # of each of 100 tags and 100 parameters: a batch of 1 MB
HISTORY_POINTS = 100_000
ARTIFACT_BYTES = 64 * 1024 * 1024
ARTIFACT_ROUNDS = 5
LARGE_ROUNDS = 30
WARM_SECONDS = 10.0
Figures = dict[str, float]


class Load:
    """What one server is asked; each method is a measurement."""

    def __init__(self, server: Server, seconds: float, runs: int) -> None:
        self.server = server
        self.url = server.url
        self.seconds = seconds
        self.runs = runs
        self.one = Connection(server.url)
        self.run_id = self.new_run("0")

    def post(self, path: str, body: Any) -> bytes:
        return request(self.url, "POST", f"{API}/{path}", json.dumps(body).encode())

    def get(self, path: str) -> bytes:
        return request(self.url, "GET", f"{API}/{path}")

    def ask(self, data: bytes) -> Any:
        return json.loads(self.one.ask(data))

    def new_run(self, experiment: str) -> str:
        made = self.ask(self.post("runs/create", {"experiment_id": experiment, "start_time": 1}))
        return str(made["run"]["info"]["run_id"])

    def metric(self, at: int) -> bytes:
        body = {"run_id": self.run_id, "key": f"m{at % 8}", "value": at / 7, "timestamp": at, "step": at}
        return self.post("runs/log-metric", body)

    def batch(self, at: int) -> bytes:
        points = [{"key": f"b{n % 10}", "value": n / 3, "timestamp": at, "step": at * BATCH + n} for n in range(BATCH)]
        return self.post("runs/log-batch", {"run_id": self.run_id, "metrics": points})

    def log_metric(self, clients: int) -> float:
        return drive(self.url, clients, self.metric, seconds=self.seconds).per_second

    def log_batch(self) -> float:
        """Points a second, four clients; the requests are made before the clock starts."""
        bodies = [self.batch(at) for at in range(200)]
        return BATCH * drive(self.url, 4, lambda at: bodies[at % len(bodies)], seconds=self.seconds).per_second

    def large_batch(self) -> float:
        """Milliseconds (p50) of a batch of 1 MB: 100 parameters, each a new one, and 100 tags."""
        self.one = Connection(self.url)
        run_id = ""

        def body(at: int) -> bytes:
            long = [{"key": f"k{number}", "value": f"{at}{'x' * TEXT_CHARACTERS}"} for number in range(100)]
            return self.post("runs/log-batch", {"run_id": run_id, "params": long, "tags": long})

        taken: list[float] = []
        for at in range(LARGE_ROUNDS):
            run_id = self.new_run("0")
            data = body(at)
            began = time.perf_counter()
            self.one.ask(data)
            taken.append(time.perf_counter() - began)
        return statistics.median(taken) * 1000

    def create_run(self) -> float:
        body = self.post("runs/create", {"experiment_id": "0", "start_time": 1, "tags": [{"key": "a", "value": "b"}]})
        return drive(self.url, 8, lambda at: body, seconds=self.seconds).per_second

    def get_run(self) -> float:
        body = self.get(f"runs/get?run_id={self.run_id}")
        return drive(self.url, 1, lambda at: body, seconds=self.seconds).p50_ms

    def history(self) -> float:
        """Seconds that the answers take with 100,000 points of one metric, in pages of 25,000.

        What this client needs to parse them is the same 0.1 s for both servers, and is not counted.
        """
        self.one = Connection(self.url)  # one that idled is hung up on
        run_id = self.new_run("0")
        for first in range(0, HISTORY_POINTS, BATCH):
            points = [{"key": "h", "value": n / 3, "timestamp": n, "step": n} for n in range(first, first + BATCH)]
            self.one.ask(self.post("runs/log-batch", {"run_id": run_id, "metrics": points}))
        self.one.ask(self.get(f"runs/get?run_id={run_id}"))  # now all that was written can be read
        seconds, read, page = 0.0, 0, ""
        while read < HISTORY_POINTS:
            path = f"metrics/get-history?run_id={run_id}&metric_key=h&max_results=25000&page_token={page}"
            began = time.perf_counter()
            data = self.one.ask(self.get(path))
            seconds += time.perf_counter() - began
            answer = json.loads(data)
            read, page = read + len(answer["metrics"]), answer.get("next_page_token", "")
        return seconds

    def search(self) -> float:
        """Milliseconds (p50) of a search with a filter on a metric, a parameter and a tag, ordered by the metric."""
        self.one = Connection(self.url)
        made = self.ask(self.post("experiments/create", {"name": f"search {time.time_ns()}"}))
        experiment = made["experiment_id"]
        create = self.post("runs/create", {"experiment_id": experiment, "start_time": 1})
        ids = [str(self.ask(create)["run"]["info"]["run_id"])]
        self.ask(self.described(ids[0], 0))
        if self.server.database is None:
            ids += [str(self.ask(create)["run"]["info"]["run_id"]) for _ in range(1, self.runs)]
            drive(self.url, 4, lambda at: self.described(ids[at], at), requests=len(ids))
        else:
            copy_runs(self.server.database, ids[0], range(1, self.runs), described)
        body = self.post("runs/search", {
            "experiment_ids": [experiment], "max_results": 100, "order_by": ["metrics.acc DESC"],
            "filter": "metrics.acc > 0.5 AND params.lr = '0.1' AND tags.team = 'a'",
        })  # fmt: skip
        assert len(self.ask(body)["runs"]) == min(100, sum(n % 2 == 0 and n % 7 / 7 > 0.5 for n in range(self.runs)))
        return drive(self.url, 1, lambda at: body, seconds=self.seconds).p50_ms

    def described(self, run_id: str, at: int) -> bytes:
        has = described(at)
        return self.post("runs/log-batch", {
            "run_id": run_id,
            "metrics": [{"key": "acc", "value": has.acc, "timestamp": 1, "step": 0}],
            "params": [{"key": "lr", "value": has.lr}],
            "tags": [{"key": "team", "value": has.team}],
        })  # fmt: skip

    def artifact(self) -> tuple[float, float]:
        """Best MB/s up and down of a 64 MB file with new content each time."""
        path = f"/api/2.0/mlflow-artifacts/artifacts/0/{self.run_id}/artifacts/large.bin"
        up, down = 0.0, 0.0
        for _ in range(ARTIFACT_ROUNDS):
            data = os.urandom(ARTIFACT_BYTES)
            up = max(up, self.transferred("PUT", path, data))
            down = max(down, self.transferred("GET", path))
        return up, down

    def transferred(self, method: str, path: str, data: bytes = b"") -> float:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=120)
        began = time.perf_counter()
        connection.request(method, path, data or None)
        reply = connection.getresponse()
        block, read = bytearray(1 << 20), 0
        while count := reply.readinto(block):
            read += count
        seconds = time.perf_counter() - began
        connection.close()
        if reply.status != 200 or (method == "GET" and read != ARTIFACT_BYTES):
            raise RuntimeError(f"{method} {path}: {reply.status}, {read} bytes")
        return ARTIFACT_BYTES / 1e6 / seconds

    def memory_mb(self) -> float:
        """Resident memory of the whole tree of processes; pages they share count more than once, on both sides."""
        leader = psutil.Process(self.server.pid)
        return sum(one.memory_info().rss for one in [leader, *leader.children(recursive=True)]) / 1e6


def described(at: int) -> Described:
    """What the n-th run of the search has."""
    return Described(at % 7 / 7, "0.1" if at % 2 == 0 else "0.2", "a" if at % 2 == 0 else "b")


STEPS: dict[str, Callable[[Load], float]] = {
    "log_metric 1": lambda load: load.log_metric(1),
    "log_metric 32": lambda load: load.log_metric(32),
    "points": Load.log_batch,
    "large_batch": Load.large_batch,
    "create_run": Load.create_run,
    "get_run": Load.get_run,
    "history": Load.history,
    "search": Load.search,
}


def measured(servers: Sequence[Server], seconds: float, runs: int) -> dict[str, Figures]:
    """Step by step, each on one server after the other: what else the machine does meanwhile changes slowly."""
    loads = [Load(server, seconds, runs) for server in servers]
    figures: dict[str, Figures] = {server.name: {"ready": server.ready_seconds} for server in servers}
    for load in loads:  # mlflow server answers /health before all of its workers do
        drive(load.url, 16, load.metric, seconds=WARM_SECONDS)
    for name, step in STEPS.items():
        for load in loads:
            figures[load.server.name][name] = step(load)
        print(f"  {name}: " + ", ".join(f"{server} {one[name]:.4g}" for server, one in figures.items()), flush=True)
    for load in loads:
        mine, before = figures[load.server.name], load.memory_mb()
        mine["up"], mine["down"] = load.artifact()
        mine["memory"] = load.memory_mb()
        mine["growth"] = mine["memory"] - before
    return figures


def lines(mlflow: Figures, ours: Figures, runs: int) -> list[Line]:
    def more(what: str, name: str, unit: str, bar: float) -> Line:
        return Line(what, f"{ours[name]:,.0f} {unit}", ours[name] / mlflow[name], ">=", bar)

    def less(what: str, name: str, figure: str, bar: float) -> Line:
        return Line(what, figure, mlflow[name] / ours[name], ">=", bar)

    return [
        more("log_metric, 1 client", "log_metric 1", "/s", 6),
        more("log_metric, 32 clients", "log_metric 32", "/s", 30),
        more("points in batches of 1,000, 4 clients", "points", "/s", 30),
        less("a batch of 1 MB of parameters and tags, p50", "large_batch", f"{ours['large_batch']:.1f} ms", 0.5),
        more("create_run, 8 clients", "create_run", "/s", 20),
        less("get_run, p50", "get_run", f"{ours['get_run']:.2f} ms", 8),
        less("history of 100,000 points", "history", f"{ours['history']:.2f} s", 50),
        less(f"search over {runs:,} runs, p50", "search", f"{ours['search']:.2f} ms", 50),
        more("artifact of 64 MB up", "up", "MB/s", 2),
        more("artifact of 64 MB down", "down", "MB/s", 2),
        Line("memory grown by five of them", f"{ours['growth']:.0f} MB"),
        less("memory of all processes", "memory", f"{ours['memory']:.0f} MB", 15),
        Line("ready to serve", f"{ours['ready']:.2f} s", ours["ready"], "<=", 2),
    ]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--mlflow", type=Path, required=True, metavar="VENV")
    options.add_argument("--seconds", type=float, default=5.0)
    options.add_argument("--runs", type=int, default=1000)
    said = options.parse_args()
    with (
        tempfile.TemporaryDirectory() as name,
        treering_server(Path(name) / "t") as ours,
        mlflow_server(said.mlflow, Path(name) / "m") as mlflow,
    ):
        figures = measured([ours, mlflow], said.seconds, said.runs)
    report("MLflow's API, against mlflow server", *lines(figures["mlflow"], figures["treering"], said.runs))


if __name__ == "__main__":
    main()
