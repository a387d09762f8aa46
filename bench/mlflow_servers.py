"""The two servers that are compared: MLflow's own from a virtual environment, and a treering of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

READY_SECONDS_MAX = 300.0


class Server(NamedTuple):
    """``pid`` leads the tree of its processes; ``database`` is MLflow's store."""

    name: str
    url: str
    pid: int
    ready_seconds: float
    database: Path | None = None


@contextmanager
def mlflow_server(venv: Path, folder: Path) -> Iterator[Server]:
    """``mlflow server`` as it comes: its default SQLite store, artifacts served from a folder."""
    port = free_port()
    folder.mkdir(parents=True)
    command = [
        str(venv / "bin" / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port),
        "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}",
        "--artifacts-destination", str(folder / "artifacts"),
    ]  # fmt: skip
    with serving("mlflow", command, port, folder, MLFLOW_DISABLE_TELEMETRY="true") as server:
        yield server._replace(database=folder / "mlflow.db")


@contextmanager
def treering_server(folder: Path) -> Iterator[Server]:
    """``treering up`` without a token, so that both are asked the same."""
    port = free_port()
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "treering_services", "up", "--home", str(folder / "home"), "--port", str(port)]
    with serving("treering", [*command, "--auth", "none"], port, folder) as server:
        yield server


@contextmanager
def serving(name: str, command: list[str], port: int, folder: Path, **variables: str) -> Iterator[Server]:
    url = f"http://127.0.0.1:{port}"
    with (folder / "server.log").open("wb") as log:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, **variables}, cwd=folder, start_new_session=True
        )
        try:
            wait_until_healthy(url, process)
            yield Server(name, url, process.pid, time.perf_counter() - began)
        finally:
            stop(process)


def wait_until_healthy(url: str, process: subprocess.Popen[bytes]) -> None:
    ends = time.perf_counter() + READY_SECONDS_MAX
    while time.perf_counter() < ends and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5) as reply:
                if reply.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} was not ready")


def stop(process: subprocess.Popen[bytes]) -> None:
    """The whole session of processes: MLflow's workers do not all end with their leader."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
            process.wait(20)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
