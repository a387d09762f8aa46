"""Who is let in: the accounts file of a home, and publishers, who may come while the server runs.

A publisher is a NATS user from outside with one subject of its own, ``pub.<name>``.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
from pathlib import Path
from urllib.parse import urlsplit

from treering.adapters.nats_config import ACCOUNTS_FILE, accounts_config
from treering.adapters.nats_credentials import (
    Credential,
    keys_folder,
    make_credential,
    make_credentials,
    make_private_folder,
    write_private,
)
from treering.adapters.nats_process import (
    POLL_SECONDS,
    NatsServerError,
    greet,
    log_tail,
    running_pid,
    server_url,
)
from treering.adapters.nats_users import publisher_user

RELOAD_TIMEOUT_SECONDS = 5.0


async def add_publisher(home: Path, name: str) -> Credential:
    """Make the publisher ``name`` known, to a running server too. Said twice, it is the same credential.

    Raises Refused for a name that is not allowed, NatsServerError when a running server does not take it.
    """
    user = publisher_user(name)
    credential = write_accounts(home, user)[user]
    folder = home / "nats"
    pid = running_pid(folder / "nats.conf", folder / "nats.pid")
    if pid is not None:
        os.kill(pid, signal.SIGHUP)
        await accepted(home, credential)
    return credential


def write_accounts(home: Path, *new_users: str) -> dict[str, Credential]:
    """Make the credentials that are missing and write the accounts file from all of them; return them."""
    make_private_folder(keys_folder(home))
    make_private_folder(home / "nats")
    lock = os.open(keys_folder(home) / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # Two at a time could each write a list without the other's publisher.
        fcntl.flock(lock, fcntl.LOCK_EX)
        for user in new_users:
            make_credential(home, user)
        credentials = make_credentials(home)
        write_private(home / "nats" / ACCOUNTS_FILE, accounts_config(credentials).encode())
    finally:
        os.close(lock)
    return credentials


async def accepted(home: Path, credential: Credential) -> None:
    """Return when the running server lets ``credential`` in; NatsServerError when it does not in 5 s."""
    address = urlsplit(server_url(home))
    try:
        async with asyncio.timeout(RELOAD_TIMEOUT_SECONDS):
            while True:
                if await greet(address.hostname or "", address.port or 0, credential) is not None:
                    return
                await asyncio.sleep(POLL_SECONDS)
    except (TimeoutError, OSError):
        tail = log_tail(home / "nats" / "nats.log")
        why = f"the server does not let {credential.user} in; its log says:\n{tail}"
        raise NatsServerError(why) from None
