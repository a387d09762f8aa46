"""A treering of its own for a measurement, and a client without ceremony."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from treering.domain.job_spec import EnvironmentSpec, JobSpec

SHARED = "shared"


class Api:
    """One kept-alive connection to the gateway."""

    def __init__(self, home: Path) -> None:
        self.token = (home / "token").read_text().strip()
        self.http = http.client.HTTPConnection(urlsplit((home / "url").read_text().strip()).netloc, timeout=120)

    def call(self, method: str, path: str, body: object = None) -> Any:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        self.http.request(method, path, msgspec.json.encode(body) if body is not None else None, headers)
        reply = self.http.getresponse()
        data = reply.read()
        if reply.status >= 400:
            raise RuntimeError(f"{method} {path}: {reply.status} {data.decode()}")
        return json.loads(data)

    def submit(self, name: str, command: str, **more: Any) -> int:
        spec = JobSpec(command=command, environment=EnvironmentSpec(), **more)
        job = self.call("POST", "/v1/workspaces/main/jobs", {"name": name, "spec": spec})
        return int(job["position"])

    def job(self, name: str) -> Any:
        return self.call("GET", f"/v1/workspaces/main/jobs/{name}")


@contextmanager
def running_treering(home: Path, *, slots: int = 2) -> Iterator[Path]:
    """``treering up`` on a free port below ``home``, stopped in order at the end. ``<home>/up.pid`` is its number. Jobs
    may write into the folder SHARED beside the home."""
    command = [sys.executable, "-m", "treering_services", "up", "--home", str(home), "--port", "0"]
    shared = home.parent / SHARED
    shared.mkdir(exist_ok=True)
    command += ["--show-path", f"{shared}:rw"]
    with (home.parent / "up.log").open("w") as log:
        server = subprocess.Popen([*command, "--slots", str(slots)], stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            if "ready" not in line:
                raise RuntimeError((home.parent / "up.log").read_text()[-2000:])
            (home / "up.pid").write_text(str(server.pid))
            yield home
        finally:
            server.terminate()
            server.wait(30)


def follow(home: Path, types: set[str], count: int, since: int = 0) -> list[dict[str, Any]]:
    """The first ``count`` events of ``types`` behind position ``since``, as they come."""
    api = Api(home)
    headers = {"Authorization": f"Bearer {api.token}"}
    api.http.request("GET", f"/v1/events?follow=true&kind=job&since={since}", headers=headers)
    reply = api.http.getresponse()
    if reply.status >= 400:
        raise RuntimeError(f"{reply.status} {reply.read().decode()}")
    found: list[dict[str, Any]] = []
    for line in reply:
        if line.strip():
            event = json.loads(line)
            if event["type"] in types:
                found.append(event)
                if len(found) == count:
                    return found
    raise RuntimeError("the event stream ended")
