"""What the checks of what comes in and of what is stored cost: processor time with and without them, in one run.

    python -m bench.checks [--rounds 20] [--against CHECKOUT]

Servers with all checks, without bounds and without the checksums of pages are asked the same in turns of some requests;
so is, with ``--against``, the treering of another checkout with a ``.venv``. The ratio is the median of those of the
turns, since what else the machine does changes from one to the next; beside it stand their quartiles. What a server
uses while nobody asks it is taken off. Projection and reads by key of a view alone are measured in processes of their
own.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.connections import authorized
from bench.http_load import Connection, drive, request
from bench.mlflow_servers import free_port, stop, wait_until_healthy
from bench.processor import precise_seconds
from bench.report import Line, report

ROOT = Path(__file__).parents[1]
API = "/api/2.0/mlflow"
RUNS, SHOWN = 100, 20  # that there are, and of a page of the search
TURN = 100  # requests
WARM = 300
IDLE_SECONDS = 6.0
SEARCH = {
    "filter": "metrics.acc > 0.5 AND params.lr = '0.1' AND tags.team = 'a'",
    "order_by": ["metrics.acc DESC"],
    "max_results": SHOWN,
}
VIEW_ROUNDS = 5


class Server:
    """A treering with some runs in it."""

    def __init__(self, name: str, url: str, token: str, pid: int) -> None:
        self.name, self.url, self.token, self.pid = name, url, token, pid
        one = Connection(url)
        self.experiment = json.loads(one.ask(self.post("experiments/create", {"name": "x"})))["experiment_id"]
        create = self.post("runs/create", {"experiment_id": self.experiment, "start_time": 1})
        self.runs = [json.loads(one.ask(create))["run"]["info"]["run_id"] for _ in range(RUNS)]
        for at, run in enumerate(self.runs):
            metrics = [{"key": key, "value": at / 7, "timestamp": 1, "step": 0} for key in ("acc", "loss", "f1")]
            params = [{"key": "lr", "value": "0.1"}, {"key": "model", "value": "resnet"}]
            tags = [{"key": "team", "value": "a"}, {"key": "note", "value": "some text"}]
            one.ask(self.post("runs/log-batch", {"run_id": run, "metrics": metrics, "params": params, "tags": tags}))

    def post(self, path: str, body: object) -> bytes:
        return authorized(request(self.url, "POST", f"{API}/{path}", json.dumps(body).encode()), self.token)

    def log_metric(self, at: int) -> bytes:
        point = {"run_id": self.runs[0], "key": f"m{at % 8}", "value": at / 7, "timestamp": at, "step": at}
        return self.post("runs/log-metric", point)

    def set_tag(self, at: int) -> bytes:
        return self.post("runs/set-tag", {"run_id": self.runs[1 + at % 80], "key": f"t{at % 4}", "value": f"v{at}"})

    def get_run(self, at: int) -> bytes:
        path = f"{API}/runs/get?run_id={self.runs[90 + at % 10]}"
        return authorized(request(self.url, "GET", path), self.token)

    def search_runs(self, at: int) -> bytes:
        return self.post("runs/search", {"experiment_ids": [self.experiment], **SEARCH})


KINDS: dict[str, Callable[[Server, int], bytes]] = {
    "log_metric": Server.log_metric,
    "set-tag": Server.set_tag,
    "get_run": Server.get_run,
    "search_runs": Server.search_runs,
}


@contextmanager
def serving(name: str, python: Path, module: Sequence[str], folder: Path) -> Iterator[Server]:
    """``treering up`` as it comes, with its token."""
    port, home = free_port(), folder / "home"
    folder.mkdir()
    command = [str(python), "-m", *module, "up", "--home", str(home), "--port", str(port), "--slots", "1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)} if module[0].startswith("bench.") else dict(os.environ)
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=environment, start_new_session=True)
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until_healthy(url, process)
            yield Server(name, url, (home / "token").read_text().strip(), process.pid)
        finally:
            stop(process)


def turns(servers: Sequence[Server], idle: dict[str, float], rounds: int) -> dict[tuple[str, str], list[float]]:
    """Microseconds a request of each turn, by kind and server, without what it uses when ``idle``; the servers take
    turns in changing order."""
    found: dict[tuple[str, str], list[float]] = {}
    for kind in KINDS:
        for server in servers:
            drive(server.url, 1, asked(server, kind), requests=WARM)
        for number in range(rounds):
            for server in random.Random(number).sample(servers, len(servers)):
                before = precise_seconds(server.pid)
                done = drive(server.url, 1, asked(server, kind, number * TURN), requests=TURN)
                spent = precise_seconds(server.pid) - before - idle[server.name] * done.elapsed_seconds
                found.setdefault((kind, server.name), []).append(spent / TURN * 1e6)
    return found


def idle_seconds(servers: Sequence[Server]) -> dict[str, float]:
    """Processor time that each uses in a second in which nobody asks it."""
    time.sleep(IDLE_SECONDS)  # until the views have what was written
    before = [precise_seconds(server.pid) for server in servers]
    time.sleep(IDLE_SECONDS)
    after = [precise_seconds(server.pid) for server in servers]
    return {
        server.name: (end - begin) / IDLE_SECONDS for server, begin, end in zip(servers, before, after, strict=True)
    }


def asked(server: Server, kind: str, first: int = 0) -> Callable[[int], bytes]:
    return lambda at: KINDS[kind](server, first + at)


def ratio(over: Sequence[float], under: Sequence[float]) -> tuple[float, str]:
    """The median of the turns' ratios, and their quartiles."""
    ratios = sorted(one / other for one, other in zip(over, under, strict=True))
    low, middle, high = statistics.quantiles(ratios, n=4)
    return middle, f"{low:.2f} to {high:.2f}"


def view_seconds(check: str) -> tuple[float, float]:
    """Processor time of one projection and of the reads by key of ``bench.checks_view``."""
    command = [sys.executable, "-m", "bench.without", check, "bench.checks_view"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    projected, read = map(float, done.stdout.split())
    return projected, read


def view_lines() -> Iterator[Line]:
    rounds = [(view_seconds("nothing"), view_seconds("pages")) for _ in range(VIEW_ROUNDS)]
    for at, what in enumerate(("projection", "reads by key")):
        found, quartiles = ratio([one[at] for one, _ in rounds], [other[at] for _, other in rounds])
        yield Line(f"checksums of pages, {what} of a view alone", quartiles, found, "<=", 1.05)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--rounds", type=int, default=20)
    options.add_argument("--against", type=Path, metavar="CHECKOUT")
    said = options.parse_args()
    here = Path(sys.executable)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        servers = [
            stack.enter_context(serving(check, here, ["bench.without", check, "treering_services"], Path(name) / check))
            for check in ("nothing", "bounds", "pages")
        ]
        if said.against:
            python = said.against.absolute() / ".venv/bin/python"
            servers.append(
                stack.enter_context(serving("against", python, ["treering_services"], Path(name) / "against"))
            )
        idle = idle_seconds(servers)
        found = turns(servers, idle, said.rounds)
    lines = [Line(f"idle, {name}", f"{seconds * 1000:.0f} ms/s") for name, seconds in idle.items()]
    for kind in KINDS:
        lines.append(Line(f"{kind}, median", f"{statistics.median(found[kind, 'nothing']):,.0f} us"))
        for other, bar in (("bounds", 1.03), ("pages", 1.05), ("against", 1.05)):
            if (kind, other) in found:
                middle, quartiles = ratio(found[kind, "nothing"], found[kind, other])
                lines.append(Line(f"{kind}, {WORDS[other]}", quartiles, middle, "<=", bar))
    report("Checks, processor time a request with against without", *lines, *view_lines())


WORDS = {"bounds": "bounds", "pages": "checksums of pages", "against": "the other checkout"}

if __name__ == "__main__":
    main()
