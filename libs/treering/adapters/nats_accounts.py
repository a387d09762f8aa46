"""Who is let in: the accounts file of a home, and programs from outside, who may come and go while the server runs.

A publisher or subscriber is a NATS user from outside with one subject of its own, ``pub.<name>`` or ``sub.<name>``, and
one workspace.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from treering.adapters.descriptors import hard_limit
from treering.adapters.nats_config import ACCOUNTS_FILE, OUTSIDE_CONNECTIONS_MAX, accounts_config
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
from treering.adapters.sums import remove_kept
from treering.domain import is_reserved
from treering.domain.publisher_limits import check_limits
from treering.kernel.refusal import Refused
from treering.kernel.subjects import checked_name
from treering.views.cloud_events import is_our_source

RELOAD_TIMEOUT_SECONDS = 5.0
RELOADED = "Reloaded server configuration"


async def add_publisher(
    home: Path, name: str, workspace: str = MAIN, sources: Sequence[str] = (), types: Sequence[str] = ()
) -> Credential:
    """Make the publisher ``name`` of ``workspace`` known, to a running server too. Said twice, it is the same.

    ``sources`` and ``types`` limit what it may publish (``domain.publisher_limits``). Raises Refused for a name that
    is not allowed, or that publishes into another workspace or within other limits already; NatsServerError when a
    running server does not take it.
    """
    user = publisher_user(name)
    check_limits(sources, types)
    check_free_for_publishers(sources, types)
    where = checked_name(workspace, "workspace")
    credential = write_accounts(home, user, workspace=where, sources=sources, types=types)[user]
    if credential.bound_to != workspace:
        why = f"{name!r} publishes into {credential.bound_to!r} already; remove it first"
        raise Refused("publisher.exists", why)
    if (credential.sources, credential.types) != (tuple(sources), tuple(types)):
        allowed = "; ".join(
            [", ".join(credential.sources) or "every source", ", ".join(credential.types) or "every type"]
        )
        raise Refused("publisher.exists", f"{name!r} may publish already ({allowed}); remove it first to change that")
    await reload_accounts(home, credential, let_in=True)
    return credential


def check_free_for_publishers(sources: Sequence[str], types: Sequence[str]) -> None:
    """``Refused("credential.invalid")`` for a limit that only treering's own events fulfil."""
    for what, given in [("source", one) for one in sources if is_our_source(one)] + [
        ("type", one) for one in types if is_reserved(one)
    ]:
        raise Refused("credential.invalid", f"{what} {given!r} is of treering's own events, which no publisher may say")


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
        await reloaded(pid, folder / "nats.log")
        await greeted(home, credential, let_in=let_in)
        if let_in:
            # nats-server 2.15 connects what a new account imports only at the reload after the one that made it.
            await reloaded(pid, folder / "nats.log")


async def reloaded(pid: int, log: Path) -> None:
    """Have the server read its files again, and wait until its log says that it has; not for ever."""
    before = os.stat(log).st_size
    os.kill(pid, signal.SIGHUP)
    with suppress(TimeoutError):
        async with asyncio.timeout(RELOAD_TIMEOUT_SECONDS):
            while RELOADED not in log_tail(log, after=before):  # noqa: ASYNC110 (another process)
                await asyncio.sleep(POLL_SECONDS)


def write_accounts(
    home: Path, *new_users: str, workspace: str = "", sources: Sequence[str] = (), types: Sequence[str] = (),
    removed: str = "",
) -> dict[str, Credential]:  # fmt: skip
    """Make the credentials that are missing, of ``workspace`` and within ``sources`` and ``types``, take away that of
    ``removed``, and write the accounts file from all of them; return them."""
    make_private_folder(keys_folder(home))
    make_private_folder(home / "nats")
    lock = os.open(keys_folder(home) / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # Two at a time could each write a list without the other's publisher.
        fcntl.flock(lock, fcntl.LOCK_EX)
        for user in new_users:
            make_credential(home, user, workspace, sources, types)
        if removed:
            remove_kept(keys_folder(home) / f"{removed}.json")
        credentials = make_credentials(home) | {user: read_credential(home, user) for user in new_users}
        outside_max = min(OUTSIDE_CONNECTIONS_MAX, hard_limit() // 8)
        write_private(home / "nats" / ACCOUNTS_FILE, accounts_config(credentials, outside_max).encode())
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
