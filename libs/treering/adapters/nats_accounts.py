"""Who is let in: the accounts file of a home, and programs from outside, who may come and go while the server runs.

A publisher or subscriber is a NATS user from outside with one subject of its own, ``pub.<name>`` or ``sub.<name>``, and
one workspace.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from treering.adapters.nats_config import ACCOUNTS_FILE, accounts_config
from treering.adapters.nats_credentials import (
    MAIN,
    Credential,
    CredentialMissing,
    keys_folder,
    make_credential,
    make_credentials,
    make_private_folder,
    read_credential,
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
from treering.adapters.nats_users import publisher_user, subscriber_user
from treering.adapters.subscribers import Subscriber, Subscribers
from treering.kernel.refusal import Refused
from treering.kernel.subjects import checked_name

RELOAD_TIMEOUT_SECONDS = 5.0


async def add_publisher(home: Path, name: str, workspace: str = MAIN) -> Credential:
    """Make the publisher ``name`` of ``workspace`` known, to a running server too. Said twice, it is the same.

    Raises Refused for a name that is not allowed or is of another workspace already, NatsServerError when a running
    server does not take it.
    """
    user = publisher_user(name)
    credential = write_accounts(home, user, workspace=checked_name(workspace, "workspace"))[user]
    if credential.bound_to != workspace:
        why = f"{name!r} publishes into {credential.bound_to!r} already; remove it first"
        raise Refused("publisher.exists", why)
    await reload_accounts(home, credential, let_in=True)
    return credential


async def remove_publisher(home: Path, name: str) -> None:
    """Shut the publisher out: a running server closes its connections. ``Refused("publisher.absent")`` when there is
    none; NatsServerError when a running server goes on letting it in."""
    user = publisher_user(name)
    try:
        credential = read_credential(home, user)
    except CredentialMissing:
        raise Refused("publisher.absent", f"there is no publisher {name!r}") from None
    write_accounts(home, removed=user)
    await reload_accounts(home, credential, let_in=False)


async def add_subscriber(home: Path, name: str, workspace: str = MAIN) -> tuple[Subscriber, Credential]:
    """The same for a subscriber of ``workspace``: its token, and what lets it in over NATS."""
    user = subscriber_user(name)
    subscriber = Subscribers(home / "keys").add(name, workspace)
    credential = write_accounts(home, user, workspace=workspace)[user]
    await reload_accounts(home, credential, let_in=True)
    return subscriber, credential


async def remove_subscriber(home: Path, name: str) -> None:
    """Its token is good for nothing any more, and a running server closes its connections."""
    user = subscriber_user(name)
    Subscribers(home / "keys").remove(name)
    with suppress(CredentialMissing):  # made before subscribers were let in over NATS
        credential = read_credential(home, user)
        write_accounts(home, removed=user)
        await reload_accounts(home, credential, let_in=False)


async def reload_accounts(home: Path, credential: Credential, *, let_in: bool) -> None:
    """Have a running server read the accounts file again, and see that it lets ``credential`` in (or no more)."""
    folder = home / "nats"
    pid = running_pid(folder / "nats.conf", folder / "nats.pid")
    if pid is not None:
        os.kill(pid, signal.SIGHUP)
        await greeted(home, credential, let_in=let_in)


def write_accounts(home: Path, *new_users: str, workspace: str = "", removed: str = "") -> dict[str, Credential]:
    """Make the credentials that are missing, of ``workspace``, take away that of ``removed``, and write the accounts
    file from all of them; return them."""
    make_private_folder(keys_folder(home))
    make_private_folder(home / "nats")
    lock = os.open(keys_folder(home) / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # Two at a time could each write a list without the other's publisher.
        fcntl.flock(lock, fcntl.LOCK_EX)
        for user in new_users:
            make_credential(home, user, workspace)
        if removed:
            (keys_folder(home) / f"{removed}.json").unlink(missing_ok=True)
        credentials = make_credentials(home) | {user: read_credential(home, user) for user in new_users}
        write_private(home / "nats" / ACCOUNTS_FILE, accounts_config(credentials).encode())
    finally:
        os.close(lock)
    return credentials


async def greeted(home: Path, credential: Credential, *, let_in: bool) -> None:
    """Return when the running server lets ``credential`` in (or no more); NatsServerError when it does not in 5 s."""
    address = urlsplit(server_url(home))
    try:
        async with asyncio.timeout(RELOAD_TIMEOUT_SECONDS):
            while True:
                greeting = await greet(address.hostname or "", address.port or 0, credential)
                if (greeting is not None) == let_in:
                    return
                await asyncio.sleep(POLL_SECONDS)
    except (TimeoutError, OSError):
        tail = log_tail(home / "nats" / "nats.log")
        does = "does not let" if let_in else "still lets"
        why = f"the server {does} {credential.user} in; its log says:\n{tail}"
        raise NatsServerError(why) from None
