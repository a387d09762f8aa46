"""The executor's end of the spawner: its process, and the messages to and from it."""

from __future__ import annotations

import array
import asyncio
import os
import socket
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from treering.adapters.descriptors import SOFT_VARIABLE
from treering.adapters.spawner import KILL_SECONDS_MAX, MESSAGE_BYTES_MAX

BACKLOG_MESSAGES_MAX = 10_000
START_SECONDS_MAX = 20.0
SCRIPT = Path(__file__).with_name("spawner.py")


class LauncherFailed(Exception):
    """The spawner could not be started, or died while a command was being started, or a kill did not succeed."""


class KillFailed(LauncherFailed):
    """Processes of a command are still there after they were killed: it must not be started a second time."""


class Answer(msgspec.Struct, frozen=True):
    """What the spawner has done: ``ready`` or ``failed`` to start, ``launched`` a group, or it has ``ended``."""

    did: str
    name: str = ""
    mode: str = ""
    still_open: str = ""
    pid: int = 0
    code: int = 0
    seconds: float = 0.0
    error: str = ""
    lost: str = ""
    alive: bool = False
    out_of_memory: bool = False
    memory_limit_bytes: int = 0


class SpawnerLink:
    """Sends without waiting: what the socket does not take at once is kept, bounded, and sent later."""

    def __init__(self, end: socket.socket, heard: Callable[[Answer], None], lost: Callable[[], None]) -> None:
        self._socket = end
        self._heard = heard
        self._lost = lost
        self._process: asyncio.subprocess.Process | None = None
        self._backlog: deque[tuple[bytes, list[int]]] = deque()
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[Answer] = self._loop.create_future()

    @classmethod
    async def open(
        cls,
        parent: str,
        mode: str,
        ports: str,
        addresses: str,
        heard: Callable[[Answer], None],
        lost: Callable[[], None],
    ) -> tuple[SpawnerLink, Answer]:
        """Start a spawner; gives its first answer too. ``lost`` is called when it dies by itself, later."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        link = cls(ours, heard, lost)
        try:
            link._process = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-S", "-X", "utf8", str(SCRIPT), str(theirs.fileno()), parent, mode, ports,
                addresses,                 env=spawner_environment(), stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),), start_new_session=True,
            )  # fmt: skip
            theirs.close()
            link._loop.add_reader(ours, link._receive)
            async with asyncio.timeout(START_SECONDS_MAX):
                ready = await link._ready
            if ready.did != "ready":
                raise LauncherFailed(f"the spawner does not start: {ready.error}")
        except BaseException as error:
            theirs.close()
            await link.close()
            if isinstance(error, TimeoutError | OSError):
                raise LauncherFailed(f"the spawner does not start: {error or 'it says nothing'}") from error
            raise
        return link, ready

    def send(self, message: dict[str, object], fds: Sequence[int] = ()) -> None:
        """Send one message, with copies of ``fds``. LauncherFailed when the spawner has taken none for too long."""
        data = msgspec.json.encode(message)
        if self._socket.fileno() < 0 or (not self._backlog and self._send_now(data, fds)):
            return
        if len(self._backlog) >= BACKLOG_MESSAGES_MAX:
            raise LauncherFailed("the spawner takes no messages")
        self._backlog.append((data, [os.dup(fd) for fd in fds]))
        self._loop.add_writer(self._socket, self._send_backlog)

    async def close(self) -> None:
        """Hang up: the spawner kills what it started, and ends."""
        self._hang_up()
        if self._process is None:
            return
        try:
            async with asyncio.timeout(2 * KILL_SECONDS_MAX):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    def _send_now(self, data: bytes, fds: Sequence[int]) -> bool:
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            self._socket.sendmsg([data], ancillary)
        except BlockingIOError:
            return False
        except OSError:
            return True  # It has died: ``_receive`` is about to notice.
        return True

    def _send_backlog(self) -> None:
        while self._backlog and self._send_now(*self._backlog[0]):
            self._drop_first()
        if not self._backlog:
            self._loop.remove_writer(self._socket)

    def _drop_first(self) -> None:
        for fd in self._backlog.popleft()[1]:
            os.close(fd)

    def _receive(self) -> None:
        while self._socket.fileno() >= 0:
            try:
                data = self._socket.recv(MESSAGE_BYTES_MAX)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            answer = msgspec.json.decode(data, type=Answer) if data else Answer("failed", error="it died")
            if not self._ready.done():
                self._ready.set_result(answer)
            elif data:
                self._heard(answer)
            if not data:
                self._hang_up()
                self._lost()

    def _hang_up(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._socket.close()
        while self._backlog:
            self._drop_first()


def spawner_environment() -> dict[str, str]:
    """Nothing of the executor's: a job could read it in /proc. Only what Python may need to start."""
    return {name: os.environ[name] for name in ("LD_LIBRARY_PATH", SOFT_VARIABLE) if name in os.environ}
