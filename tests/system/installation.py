"""A whole installation of real processes below one folder: nats, registry, gateway, scheduler, monitor, executors."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from nats.aio.client import Client
from tests.system.history import History
from tests.system.http_client import Acknowledged, Gateway
from tests.system.processes import ServiceProcess
from tests.system.small_disk import SmallDisk

from treering.adapters.jetstream_log import JetStreamLog
from treering.adapters.nats_connect import close, connect
from treering.adapters.nats_credentials import read_credential
from treering.adapters.nats_process import server_url
from treering.config import Home
from treering.kernel.log import LogUnavailable

SOURCES = Path(__file__).resolve().parents[2]
LEASE_SECONDS = 1.5
HEAD_SECONDS_MAX = 20.0
PAUSE_SECONDS = 0.05


@dataclass(frozen=True)
class Settings:
    """``nodes``: name and slots of each executor. ``urls``: NATS servers that somebody else runs.
    ``sources``: the folder whose ``libs`` and ``services`` run, for a product with a planted bug."""

    nodes: Mapping[str, int] = field(default_factory=lambda: {"n1": 2, "n2": 2})
    urls: Sequence[str] = ()
    sources: Path = SOURCES
    lease_seconds: float = LEASE_SECONDS
    variables: Mapping[str, str] = field(default_factory=dict)


class Installation:
    """``folder`` gets the home, the logs of the services, and the file of the jobs' marks."""

    def __init__(self, folder: Path, settings: Settings, *, home: Path | None = None) -> None:
        self.folder = folder
        self.settings = settings
        self.home = Home(home or folder / "home")
        self.marks = folder / "marks"
        self.history = History()
        self.acknowledged: list[Acknowledged] = []
        self.poisoned: dict[str, frozenset[str]] = {}  # resource: the views that cannot show it
        self.disk: SmallDisk | None = None  # that the home is on, when a fault may fill it
        self.client: Client | None = None
        self.following: asyncio.Task[None] | None = None
        names = ["registry", "gateway", "scheduler", "monitor"]
        self.services = {name: self.service(name, name) for name in (*names, *([] if settings.urls else ["nats"]))}
        for node, slots in settings.nodes.items():
            more = ["--node", node, "--slots", str(slots)]
            self.services[node] = self.service(node, "executor", *more)
        self.gateway = Gateway(self.home, self.acknowledged)

    def service(self, name: str, program: str, *more: str) -> ServiceProcess:
        sources = self.settings.sources
        argv = [sys.executable, "-m", "treering_services", program, "--home", str(self.home.root), *more]
        if program == "gateway":
            argv += ["--port", "0"]
        for url in self.settings.urls:
            argv += ["--nats", url]
        environment = {
            **os.environ,
            "PYTHONPATH": f"{sources / 'libs'}:{sources / 'services'}",
            "TREERING_LEASE_SECONDS": str(self.settings.lease_seconds),
            # Jobs leave marks for the harness there, which a sandbox does not show them otherwise.
            "TREERING_SHOW_PATHS": f"{self.marks}:rw",
            "TREERING_ALLOW_ADDRESSES": "127.0.0.1",
            **self.settings.variables,
        }
        return ServiceProcess(name, argv, environment, self.folder / f"{name}.log")

    async def start(self) -> None:
        """Everything ready, and the log followed from its first position."""
        await asyncio.to_thread(self.folder.mkdir, parents=True, exist_ok=True)
        self.home.create()
        self.marks.touch()
        if "nats" in self.services:
            await self.services["nats"].start()
        await asyncio.gather(*(service.start() for name, service in self.services.items() if name != "nats"))
        urls = list(self.settings.urls) or [server_url(self.home.root)]
        self.client = await connect(urls, read_credential(self.home.root, "gateway"), "harness")
        self.following = asyncio.create_task(self.history.follow(JetStreamLog(self.client)))

    async def stop(self) -> None:
        if self.following is not None:
            self.following.cancel()
            await asyncio.wait({self.following})
        if self.client is not None:
            await close(self.client)
        for stopped in self.pids_stopped():
            with suppress(ProcessLookupError):
                os.kill(stopped, signal.SIGCONT)
        others = [service for name, service in self.services.items() if name != "nats"]
        await asyncio.gather(*(service.stop() for service in others))
        if "nats" in self.services:
            await self.services["nats"].stop()

    async def until_ready(self) -> None:
        for service in self.services.values():
            await service.until_ready()

    def pids_stopped(self) -> list[int]:
        return [pid for pid in (*(service.pid for service in self.services.values()), self.nats_server_pid()) if pid]

    def nats_server_pid(self) -> int:
        """The server behind the service ``nats``; 0 when there is none just now."""
        try:
            pid = int((self.home.root / "nats" / "nats.pid").read_text())
            argv = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return 0
        return pid if str(self.home.root).encode() in argv else 0

    def spawner_pid(self, node: str) -> int:
        """The spawner of a node's executor; 0 when there is none just now."""
        children = Path(f"/proc/{self.services[node].pid}/task/{self.services[node].pid}/children")
        try:
            return int(children.read_text().split()[0])
        except (OSError, IndexError):
            return 0

    async def head(self) -> int:
        """As soon as the server answers: it may be starting again just now."""
        assert self.client is not None
        async with asyncio.timeout(HEAD_SECONDS_MAX):
            while True:
                with suppress(LogUnavailable):
                    return await JetStreamLog(self.client).head()
                await asyncio.sleep(PAUSE_SECONDS)

    async def caught_up(self, timeout_seconds: float = 20.0) -> bool:
        """The harness has seen all that is in the log now."""
        head = await self.head()
        return await self.history.until(lambda: self.history.head >= head, timeout_seconds)

    def log_tails(self) -> str:
        return "\n".join(f"--- {name}\n{service.log_tail()}" for name, service in self.services.items())


@asynccontextmanager
async def running(folder: Path, settings: Settings, *, home: Path | None = None) -> AsyncIterator[Installation]:
    """An installation that is ready, and gone after the block."""
    installation = Installation(folder, settings, home=home)
    try:
        await installation.start()
        yield installation
    finally:
        await installation.stop()
