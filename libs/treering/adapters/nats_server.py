"""The embedded NATS server: one per home folder, started, watched and stopped by the process that owns it.

A lock in the home folder says who owns it. The lock ends with its owner, however that ends; a server that
still runs without an owner is stopped before a new one starts.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from treering.adapters.descriptors import hard_limit
from treering.adapters.free_space import room_in
from treering.adapters.nats_accounts import write_accounts
from treering.adapters.nats_config import CONNECTIONS_MAX, Cluster, Settings, server_config
from treering.adapters.nats_credentials import (
    Credential,
    make_private_folder,
    read_credential,
    write_private,
)
from treering.adapters.nats_process import (
    POLL_SECONDS,
    STOP_TIMEOUT_SECONDS,
    NatsServerError,
    check_config,
    find_server,
    greet,
    launch,
    log_tail,
    running_pid,
    server_url,
    stop,
    stop_stale,
)
from treering.adapters.nats_staging import stage_in_memory, unstage
from treering.adapters.nats_users import DOCTOR, ROUTE
from treering.adapters.special_files import refuse_special
from treering.adapters.store_recovery import refuse_endless
from treering.kernel.ending import end

# A store with a million subjects takes 17 s to recover after a crash; the listener opens only then.
START_TIMEOUT_SECONDS = 120.0
SLOW_START_SECONDS = 3.0  # then its files are looked at
ABORT_SECONDS = 1.0  # for the server of a start that failed: nothing was appended
PORT_TRIES_MAX = 5
MEMORY_BYTES_MAX = 256 * 1024 * 1024
PORT_IN_USE = "address already in use"


class NatsServer:
    """One nats-server on ``home``.

    ``port`` 0: the one of last time, or a free one (see ``server_url``). ``store_bytes_max``: how much all
    streams may take, then publishing is refused; None: what they have and what the disk can give.
    """

    def __init__(
        self,
        home: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        store_bytes_max: int | None = None,
        cluster: Cluster | None = None,
    ) -> None:
        self.home = home.resolve()
        self.folder = self.home / "nats"
        self.config = self.folder / "nats.conf"
        self.log = self.folder / "nats.log"
        self.host = host
        self.port = port
        self.store_bytes_max = store_bytes_max
        self.cluster = cluster
        self.process: asyncio.subprocess.Process | None = None
        self.lock: int | None = None
        self.stopping = False
        self.limit = 0  # bytes all streams may take, since the last start

    @property
    def url(self) -> str:
        """Where clients connect; other processes read it by ``server_url(home)``."""
        return server_url(self.home)

    async def start(self, *, timeout_seconds: float = START_TIMEOUT_SECONDS) -> None:
        """Start the server; return when it lets a client in. Does nothing when this object runs one already.

        Raises NatsServerError, with the server's last words, when it does not come up in ``timeout_seconds``
        or when another process owns this home, and LogDamaged when its store is what it would never get past.
        """
        if self.process is not None and self.process.returncode is None:
            return
        make_private_folder(self.folder)
        refuse_special(self.home)
        self.take_lock()
        try:
            if stale := running_pid(self.config, self.folder / "nats.pid"):
                await stop_stale(stale)
            credentials = write_accounts(self.home)
            self.stopping = False
            async with asyncio.timeout(timeout_seconds):
                await self.start_on_some_port(credentials)
        except BaseException as error:
            await self.stop(timeout_seconds=ABORT_SECONDS)
            if isinstance(error, TimeoutError):
                raise NatsServerError(self.sentence(f"is not ready after {timeout_seconds:g} s")) from None
            raise

    async def start_on_some_port(self, credentials: dict[str, Credential]) -> None:
        server = find_server()
        for _ in range(PORT_TRIES_MAX):
            port = self.port or remembered_port(self.home) or free_port(self.host)
            self.write_config(credentials, port)
            await check_config(server, self.config)
            log_before = self.log.stat().st_size if self.log.exists() else 0
            self.process = await launch(server, self.config, self.log)
            if await self.ready(port, credentials[DOCTOR]):
                write_private(self.folder / "url", f"nats://{self.host}:{port}\n".encode())
                return
            await self.process.wait()
            taken = PORT_IN_USE in log_tail(self.log, after=log_before)
            if self.port or not taken:
                raise NatsServerError(self.sentence("ended at once"))
            (self.folder / "url").unlink(missing_ok=True)
        raise NatsServerError(self.sentence(f"found no free port in {PORT_TRIES_MAX} tries"))

    async def ready(self, port: int, doctor: Credential) -> bool:
        """True when the server lets us in, False when it ended before. The caller bounds the time."""
        assert self.process is not None
        let_in = asyncio.ensure_future(self.let_in(port, doctor))
        ended = asyncio.ensure_future(self.process.wait())
        try:
            either = {let_in, ended}
            done, _ = await asyncio.wait(either, timeout=SLOW_START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                await asyncio.to_thread(refuse_endless, self.folder / "store")
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            return let_in.done()
        finally:
            await end(let_in, ended)

    async def lets_in(self, timeout_seconds: float) -> bool:
        """Does it take a login now?"""
        with suppress(OSError, NatsServerError, TimeoutError, ValueError):
            async with asyncio.timeout(timeout_seconds):
                port = urlsplit(self.url).port or 0
                return await greet(self.host, port, read_credential(self.home, DOCTOR)) is not None
        return False

    async def kill(self) -> None:
        """End it at once, as something that is to be started again."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def let_in(self, port: int, doctor: Credential) -> None:
        """Try until a server of our name takes the login. Another one on this port cannot have that name."""
        while True:
            with suppress(OSError):
                greeting = await greet(self.host, port, doctor)
                if greeting is not None and greeting.server_name == self.server_name and greeting.jetstream:
                    return
            await asyncio.sleep(POLL_SECONDS)

    @property
    def server_name(self) -> str:
        if self.cluster is not None:
            return self.cluster.node
        return "treering-" + hashlib.sha256(os.fsencode(self.home)).hexdigest()[:12]

    def write_config(self, credentials: dict[str, Credential], port: int) -> None:
        store = self.folder / "store"
        make_private_folder(store)
        limit = self.limit = self.store_bytes_max or store_limit(store)
        settings = Settings(
            self.server_name, self.host, port, self.folder, limit, MEMORY_BYTES_MAX, self.cluster,
            min(CONNECTIONS_MAX, hard_limit() // 2),  # the server raises its soft limit itself
        )  # fmt: skip
        write_private(self.config, server_config(settings, credentials[ROUTE]).encode())

    def stage_in_memory(self) -> bool:
        """To be said after each start, once the streams exist and before anything is appended."""
        return self.cluster is None and stage_in_memory(self.folder)

    async def stop(self, *, timeout_seconds: float = STOP_TIMEOUT_SECONDS) -> None:
        """End the server in order (killed after ``timeout_seconds``) and give the home free. Safe to say twice."""
        self.stopping = True
        try:
            if self.process is not None:
                await stop(self.process, timeout_seconds=timeout_seconds)
                unstage(self.folder)
        finally:
            self.process = None
            if self.lock is not None:
                os.close(self.lock)
                self.lock = None

    async def died(self) -> str:
        """Wait until the server has ended; say why, with its last words. "" when ``stop`` was asked for."""
        if self.process is None:
            return ""
        code = await self.process.wait()
        return "" if self.stopping else self.sentence(f"ended by itself with {code}")

    def outgrown(self) -> bool:
        """Whether the store is at the limit of its last start, while the disk has more to give now: the server reads
        its limit at a start only."""
        store, room = self.folder / "store", room_in(self.folder)
        if self.store_bytes_max or self.process is None:
            return False
        used = bytes_in(store)
        return self.limit - used < room.clients_bytes_min and store_limit(store) - used > 2 * room.clients_bytes_min

    def take_lock(self) -> None:
        if self.lock is not None:
            return
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise NatsServerError(f"treering already runs in {self.home}, with a NATS server") from None
        self.lock = descriptor

    def sentence(self, what: str) -> str:
        return f"the nats-server of {self.home} {what}; its log says:\n{log_tail(self.log)}"


def remembered_port(home: Path) -> int:
    """The port of the last run, so that clients find the server after a restart; 0 when there is none."""
    try:
        return urlsplit(server_url(home)).port or 0
    except (NatsServerError, ValueError):
        return 0


def free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def store_limit(store: Path) -> int:
    """How many bytes the streams may take: what they have, and what the disk has beyond a reserve.

    A full disk would break the views and the blobs too, and the server itself (see ``free_space``).
    """
    room = room_in(store)
    return bytes_in(store) + max(room.free_bytes - room.reserve_bytes, 0) + 1  # 0 would mean "no limit" to the server


def bytes_in(folder: Path) -> int:
    """How much the files below ``folder`` hold; one that goes away meanwhile counts nothing."""
    found = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            about = path.lstat()
            found += about.st_size if stat.S_ISREG(about.st_mode) else 0
    return found
