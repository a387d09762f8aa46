"""A process that has something to lose while a job tries to escape: prints where it is, as JSON, and stays.

It runs as the user of the installation, as other jobs and services do. `python escape_bystander.py FOLDER`.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import socket
import sys
import tempfile
import threading
from pathlib import Path

import tests.system.escape_attempts as escape

# Files that only root may read, where programs and their settings are: made when the executor has started.
PLACES = ("/opt/treering-escape/two/three/four", "/usr/share/treering-escape/two", "/etc/treering-escape/two")
libc = ctypes.CDLL(None, use_errno=True)


def serve(listening: socket.socket) -> None:
    while True:
        way, _ = listening.accept()
        way.sendall(escape.SECRET)
        way.close()


def listen(address: str) -> None:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(address)
    listening.listen()
    threading.Thread(target=serve, args=(listening,), daemon=True).start()


def hide_secrets() -> None:
    if os.geteuid() == 0:
        for place in map(Path, PLACES):
            place.mkdir(parents=True, exist_ok=True)
            (place / "secret").write_bytes(escape.SECRET)
            (place / "secret").chmod(0o600)


def remove_secrets() -> None:
    for place in PLACES:
        shutil.rmtree(place.partition("/two")[0], ignore_errors=True)


def main(folder: Path) -> None:
    os.chdir(folder)
    Path("secret").write_bytes(escape.SECRET)
    for path in ("/dev/shm/treering-escape", "/tmp/treering-escape"):
        Path(path).unlink(missing_ok=True)
        Path(path).write_bytes(escape.SECRET)
    hide_secrets()
    listen(escape.ABSTRACT)
    listen(str(folder / "socket"))
    segment = libc.shmget(escape.SHM_KEY, escape.SHM_BYTES, 0o1600)
    libc.syscall(240, escape.QUEUE[1:], os.O_RDWR | os.O_CREAT, 0o600, None)
    key = libc.syscall(248, b"user", escape.KEY_NAME, escape.SECRET, len(escape.SECRET), -4)
    libc.syscall(250, 5, key, 0x3F3F0000)  # the user may do all with it, not only who possesses it
    memory = ctypes.create_string_buffer(escape.SECRET)
    gone = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
    gone.write(escape.SECRET)
    gone.flush()
    facts = {"ESCAPE_PID": os.getpid(), "ESCAPE_FILE": gone.fileno(), "ESCAPE_ADDRESS": ctypes.addressof(memory)}
    print(json.dumps({**facts, "ESCAPE_KEY": key}), flush=True)
    sys.stdin.read()
    remove_secrets()
    libc.shmctl(segment, 0, None)
    libc.syscall(241, escape.QUEUE[1:])
    libc.syscall(250, 9, key, -4)
    for path in ("/dev/shm/treering-escape", "/tmp/treering-escape"):
        Path(path).unlink(missing_ok=True)


main(Path(sys.argv[1]))
