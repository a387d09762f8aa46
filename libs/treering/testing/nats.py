"""A real NATS server for a test: there in a fraction of a second, with its streams, and gone after it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from nats.aio.client import Client

from treering.adapters.nats_config import Cluster
from treering.adapters.nats_connect import close, connect
from treering.adapters.nats_credentials import make_credentials, read_credential
from treering.adapters.nats_server import NatsServer, free_port
from treering.adapters.streams import bootstrap
from treering.kernel.ending import run_each, run_together

HOST = "127.0.0.1"


@dataclass
class RunningNats:
    """One server, or the nodes of a cluster; each node has a home of its own with the same credentials."""

    servers: list[NatsServer]
    clients: list[Client] = field(default_factory=list)

    @property
    def server(self) -> NatsServer:
        return self.servers[0]

    @property
    def home(self) -> Path:
        return self.server.home

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def urls(self) -> list[str]:
        return [server.url for server in self.servers]

    async def connect(self, user: str, *, on_violation: Callable[[str], None] | None = None) -> Client:
        """A connection as ``user`` ("registry", "publisher-ci", ...), closed with the server."""
        credential = read_credential(self.home, user)
        client = await connect(self.urls, credential, f"test-{user}", on_violation=on_violation)
        self.clients.append(client)
        return client


@asynccontextmanager
async def running_nats(
    folder: Path, cluster: int = 1, *, streams: bool = True, store_bytes_max: int | None = None
) -> AsyncIterator[RunningNats]:
    """``cluster`` servers below ``folder``, with the streams replicated on all unless ``streams`` is off."""
    if cluster > 1:
        servers = cluster_of(folder, cluster)
    else:
        servers = [NatsServer(folder / "home", store_bytes_max=store_bytes_max)]
    running = RunningNats(servers)
    try:
        await run_together(*(server.start() for server in servers))
        if streams:
            client = await running.connect("bootstrap")
            await bootstrap(client, replicas=cluster)
            running.server.stage_in_memory()
        yield running
    finally:
        for client in running.clients:
            await close(client)
        await run_each(*(server.stop() for server in servers))


def cluster_of(folder: Path, nodes: int) -> list[NatsServer]:
    make_credentials(folder / "node-1")
    ports = [free_port(HOST) for _ in range(nodes)]
    routes = tuple(f"{HOST}:{port}" for port in ports)
    servers = []
    for number, port in enumerate(ports, start=1):
        home = folder / f"node-{number}"
        if number > 1:
            shutil.copytree(folder / "node-1" / "keys", home / "keys")
        servers.append(NatsServer(home, cluster=Cluster("treering", f"node-{number}", HOST, port, routes)))
    return servers
