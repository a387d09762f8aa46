"""A client of the gateway that says a request again, under the same key, until it is answered; and rude ones."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from treering.config import Home

JOBS = "/v1/workspaces/main/jobs"
REQUEST_SECONDS_MAX = 4.0
PATIENCE_SECONDS = 40.0
PAUSE_SECONDS = 0.1
NOWHERE = ("127.0.0.1", 0)  # an address where connections are refused, of what is down and says none


class Acknowledged(NamedTuple):
    """What a client was told: the commit of ``key`` on ``job`` stands at ``position``. ``changed`` False: it, or
    what made it needless, was there already."""

    job: str
    key: str
    position: int
    changed: bool


class Answered(NamedTuple):
    status: int
    body: bytes
    position: int


class Gateway:
    """Blocking HTTP in threads, one connection a request: a connection never outlives a gateway."""

    def __init__(self, home: Home, acknowledged: list[Acknowledged]) -> None:
        self.home = home
        self.acknowledged = acknowledged
        self.known = NOWHERE

    async def submit(self, name: str, spec: dict[str, Any], key: str = "") -> Answered:
        return await self.command(name, JOBS, {"name": name, "spec": spec}, key or f"submit-{name}")

    async def cancel(self, name: str, key: str = "") -> Answered:
        return await self.command(name, f"{JOBS}/{name}/cancel", {}, key or f"cancel-{name}")

    async def update(self, name: str, tags: dict[str, str], key: str) -> Answered:
        return await self.command(name, f"{JOBS}/{name}/update", {"tags": tags}, key)

    async def command(self, job: str, path: str, body: dict[str, Any], key: str) -> Answered:
        """Say it until it is answered with something else than "not now"; what was acknowledged is remembered."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                answered = await asyncio.to_thread(self.post_once, path, body, key)
                if answered is not None and answered.status not in (429, 503, 507):
                    break
                await asyncio.sleep(PAUSE_SECONDS)
        if answered.status in (200, 201):
            changed = answered.status == 201 or bool(json.loads(answered.body).get("changed", False))
            self.acknowledged.append(Acknowledged(job, key, answered.position, changed))
        return answered

    def post_once(
        self, path: str, body: dict[str, Any], key: str, timeout_seconds: float = REQUEST_SECONDS_MAX
    ) -> Answered | None:
        """One try; None when there was no whole answer."""
        try:
            connection = self.connection(timeout_seconds)
            try:
                connection.request("POST", path, json.dumps(body).encode(), self.headers(key))
                reply = connection.getresponse()
                position = int(reply.headers.get("treering-position") or 0)
                return Answered(reply.status, reply.read(), position)
            finally:
                connection.close()
        except (OSError, ValueError, http.client.HTTPException):
            return None

    def get_once(self, path: str) -> dict[str, Any]:
        """A resource; {} when there is no whole answer."""
        try:
            connection = self.connection(REQUEST_SECONDS_MAX)
            try:
                connection.request("GET", path, headers=self.headers("get"))
                found: dict[str, Any] = json.loads(connection.getresponse().read())
                return found
            finally:
                connection.close()
        except (OSError, ValueError, http.client.HTTPException):
            return {}

    def headers(self, key: str) -> dict[str, str]:
        token = self.home.token_file.read_text().strip()
        return {"authorization": f"Bearer {token}", "content-type": "application/json", "idempotency-key": key}

    def address(self) -> tuple[str, int]:
        """Of the gateway; of the last one while it is down, when it may say none."""
        with suppress(FileNotFoundError):
            url = urlsplit(self.home.url_file.read_text().strip())
            self.known = str(url.hostname), int(url.port or 0)
        return self.known

    def connection(self, timeout_seconds: float) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(*self.address(), timeout=timeout_seconds)

    def vanish(self, name: str, spec: dict[str, Any], key: str, share: float) -> None:
        """Send ``share`` of a submission (1.0: all of it), then hang up without reading the answer; or find nobody."""
        host, port = self.address()
        body = json.dumps({"name": name, "spec": spec}).encode()
        lines = [f"POST {JOBS} HTTP/1.1", f"host: {host}:{port}", f"content-length: {len(body)}"]
        lines += [f"{header}: {value}" for header, value in self.headers(key).items()]
        request = "\r\n".join([*lines, "", ""]).encode() + body
        with suppress(OSError), socket.create_connection((host, port), timeout=REQUEST_SECONDS_MAX) as connection:
            connection.sendall(request[: max(1, int(len(request) * share))])
