"""A home with a NATS server, the registry and the gateway, and an HTTP client that hides nothing."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from nats.aio.client import Client

from treering.adapters.bus import Commands
from treering.adapters.tokens import Tokens
from treering.adapters.trees import Manifest, TreeFile
from treering.config import Home
from treering.domain.compute import CreateCompute
from treering.domain.job_messages import AssignJob, OutputData, StartJob
from treering.domain.node import JoinNode
from treering.domain.workspace import CreateWorkspace
from treering.kernel.aggregate import Command
from treering.kernel.blobs import digest_of
from treering.kernel.clock import new_id, now
from treering.kernel.command import Context, Written
from treering.kernel.service import Service
from treering.kernel.subjects import Address
from treering.testing.nats import RunningNats
from treering_services.base import ServiceBase, StatesReader, states_reader
from treering_services.gateway import hub, subscriber
from treering_services.gateway import service as gateway
from treering_services.gateway.http.limits import Limits
from treering_services.registry import service as registry

TIMEOUT_SECONDS = 20.0
WS = "/v1/workspaces/w"
SPEC = {"command": "python train.py", "environment": {"python": "3.11"}}


@dataclass
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def code(self) -> str:
        """The code of the refusal, "" of a success."""
        return str(self.json["code"]) if self.headers.get("content-type") == "application/problem+json" else ""


@dataclass
class Api:
    """The gateway over a real socket, as its owner unless ``token`` says otherwise."""

    home: Home
    port: int
    tokens: Tokens
    nats: RunningNats
    reader: StatesReader
    service: Service
    registry: Service
    services: list[Service]
    clients: dict[str, Client] = field(default_factory=dict)

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        token: str | None = None,
    ) -> Reply:
        """``body``: bytes as they are, anything else as JSON. ``token`` "" sends none."""
        sent = {"content-type": "application/json", **self.authorization(token), **(headers or {})}
        data = body if isinstance(body, bytes) or body is None else msgspec.json.encode(body)
        return await asyncio.to_thread(self.ask_now, method, path, data, sent)

    def authorization(self, token: str | None) -> dict[str, str]:
        token = self.tokens.owner if token is None else token
        return {"authorization": f"Bearer {token}"} if token else {}

    def ask_now(self, method: str, path: str, data: bytes | None, headers: Mapping[str, str]) -> Reply:
        with self.connection() as connection:
            connection.request(method, path, data, dict(headers))
            response = connection.getresponse()
            return Reply(response.status, {n.lower(): v for n, v in response.getheaders()}, response.read())

    @contextmanager
    def connection(self) -> Iterator[http.client.HTTPConnection]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)
        try:
            yield connection
        finally:
            connection.close()

    async def events(self, path: str, count: int, headers: Mapping[str, str] | None = None) -> list[dict[str, str]]:
        """The first ``count`` server-sent events of a stream, each with its fields; then hang up."""
        sent = {"accept": "text/event-stream", **self.authorization(None), **(headers or {})}
        return await asyncio.to_thread(self.events_now, path, count, sent)

    def events_now(self, path: str, count: int, headers: Mapping[str, str]) -> list[dict[str, str]]:
        found: list[dict[str, str]] = []
        with self.connection() as connection:
            connection.request("GET", path, headers=dict(headers))
            response = connection.getresponse()
            assert response.status == 200, response.read()
            current: dict[str, str] = {}
            while len(found) < count and (line := response.readline()):
                name, colon, value = line.decode().rstrip("\n").partition(": ")
                if colon and name:
                    current[name] = value
                elif not name and current:
                    found.append(current)
                    current = {}
        return found

    async def send_as(self, service: str, address: Address, command: Command) -> Written:
        """A command of another service, which the test plays."""
        if service not in self.clients:
            self.clients[service] = await self.nats.connect(service)
        context = Context(new_id(), now(), f"service:{service}")
        return await Commands(self.clients[service], service).send(address, command, context)

    async def submitted(self, name: str, **fields: Any) -> None:
        answer = await self.ask("POST", f"{WS}/jobs", {"name": name, "spec": {**SPEC, **fields}})
        assert answer.status == 201, answer.body

    async def held(self, name: str, **fields: Any) -> Address:
        """A job that runs in its first attempt on node n1."""
        await self.submitted(name, **fields)
        return await self.started(Address("w", "job", name))

    async def started(self, job: Address) -> Address:
        await self.send_as("executor", Address(job.workspace, "node", "n1"), JoinNode("i1", "local", 4))
        await self.send_as("scheduler", job, AssignJob(1, "n1", "i1"))
        await self.reader.projector.reached((await self.send_as("executor", job, StartJob(1, "n1"))).position)
        return job

    async def put_tree(self, **files: bytes) -> OutputData:
        """A tree that a job may leave, of files whose names have ``__`` for each slash."""
        for data in files.values():
            await self.ask("PUT", f"/v1/blobs/{digest_of(data)}", data)
        named = sorted((name.replace("__", "/"), data) for name, data in files.items())
        manifest = msgspec.json.encode(
            Manifest(tuple(TreeFile(name, len(data), digest_of(data), False) for name, data in named))
        )
        await self.ask("PUT", f"/v1/blobs/{digest_of(manifest)}", manifest)
        return OutputData(digest_of(manifest), len(files), sum(map(len, files.values())))

    async def gateway_again(self) -> None:
        """The gateway ends and begins again, with the views it had."""
        await self.service.stop()
        base = ServiceBase(self.home, self.nats.urls)
        self.service = self.services[-1] = Service(
            "gateway", lambda started: gateway.run(base, self.reader, started, host="127.0.0.1", port=0, auth=True)
        )
        await self.service.start()
        self.port = port_of(self.home)


def port_of(home: Home) -> int:
    return int(home.url_file.read_text().strip().rpartition(":")[2])


def beat_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams of events have a heartbeat at once."""
    for module in (hub, subscriber):
        monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.05)


@asynccontextmanager
async def running_gateway(
    nats: RunningNats, *, auth: bool = True, port: int = 0, limits: Limits | None = None
) -> AsyncIterator[Api]:
    """Registry and gateway on ``nats``; the workspace ``w`` with its compute ``local`` is there."""
    home = Home(nats.home)
    home.create()
    base = ServiceBase(home, nats.urls)
    client = await nats.connect("gateway")
    async with states_reader(base, "up", client) as reader:
        services = [
            Service("registry", lambda started: registry.run(base, reader, started)),
            Service(
                "gateway",
                lambda started: gateway.run(
                    base, reader, started, host="127.0.0.1", port=port, auth=auth, limits=limits
                ),
            ),
        ]
        for service in services:
            await service.start()
        try:
            api = Api(
                home, port_of(home), Tokens(home), nats, reader, services[1], services[0], services, {"gateway": client}
            )
            await api.send_as("gateway", Address("w", "workspace", "w"), CreateWorkspace())
            await api.send_as("gateway", Address("w", "compute", "local"), CreateCompute("local"))
            yield api
        finally:
            for service in reversed(services):
                await service.stop()
