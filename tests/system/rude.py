"""Rude clients: crowds of connections that never finish a request, and values that no view could hold."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec
from tests.system.history import events_of
from tests.system.http_client import JOBS, NOWHERE
from tests.system.installation import Installation

from treering.adapters.jetstream_log import JetStreamLog
from treering.adapters.nats_connect import NatsUnavailable, close, connect
from treering.adapters.nats_credentials import read_credential
from treering.adapters.nats_process import NatsServerError, server_url
from treering.domain.run_messages import RunCreated
from treering.kernel.log import Commit, Conflict, LogUnavailable, encoder
from treering.kernel.subjects import Address, address_of

CROWD = 200  # of each fault; two lanes hold one each, with no more than the soft limit of 1024 descriptors
CONNECT_SECONDS_MAX = 2.0
APPEND_SECONDS_MAX = 40.0
AGAIN_SECONDS = 0.2
AT = datetime(2026, 1, 1, tzinfo=UTC)
TOO_LARGE = 2**63
DEEP: list[Any] = []
for _ in range(600):
    DEEP = [DEEP]

# What must be refused, as a path and a body; a run or job of these names is never made.
REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "late": ("/v1/workspaces/main/runs/poison/update", {"status": "FINISHED", "end_time": TOO_LARGE}),
    "endless": (JOBS, {"name": "poison", "spec": {"command": "true", "environment": {}, "timeout_seconds": 1e400}}),
    "long": (JOBS, {"name": "p" * 10_000, "spec": {"command": "true", "environment": {}}}),
    "deep": (JOBS, {"name": "poison", "spec": {"command": "true", "environment": {}, "distribution": {"a": DEEP}}}),
    "number": (JOBS, {"name": "poison", "spec": {"command": "true", "environment": {}, "instance_count": TOO_LARGE}}),
}
# What no view or only some can apply, as the events of a commit; with the views that cannot, which have to say so.
ENTRIES: dict[str, tuple[bytes, frozenset[str]]] = {
    "late": (encoder.encode([RunCreated("Default", "poison", "anna", TOO_LARGE)]), frozenset({"tracking"})),
    "unknown": (b'[{"type":"run.exploded"}]', frozenset({"lifecycle", "states", "tracking"})),
}


async def crowd(installation: Installation, target: str, seconds: float) -> None:
    """Hold CROWD connections for ``seconds``, the length of the fault: idle ones, and ones with half a request."""
    address = nats_address(installation) if target == "nats-server" else installation.gateway.address()
    halves = (b"", b'CONNECT {"verb') if target == "nats-server" else (b"", *half_requests(installation))
    held: list[asyncio.StreamWriter] = []
    try:
        async with asyncio.timeout(seconds + CONNECT_SECONDS_MAX):
            for number in range(CROWD):
                with suppress(OSError):  # the server may be down just now, or turn them away
                    _, writer = await asyncio.open_connection(*address)
                    held.append(writer)
                    writer.write(halves[number % len(halves)])
            await asyncio.sleep(seconds)
    except TimeoutError:
        pass  # a server that is stopped takes no more of them than its queue holds
    finally:
        for writer in held:
            writer.transport.abort()


def half_requests(installation: Installation) -> Iterator[bytes]:
    fields = {"host": "treering", "content-length": "5000", **installation.gateway.headers("crowd")}
    lines = [f"POST {JOBS} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    yield "\r\n".join(lines).encode()  # the header does not end
    yield "\r\n".join([*lines, "", '{"name": "crowd",']).encode()  # the body does not


def nats_address(installation: Installation) -> tuple[str, int]:
    with suppress(NatsServerError):
        url = urlsplit(server_url(installation.home.root))
        return str(url.hostname), int(url.port or 0)
    return NOWHERE


async def poison_request(installation: Installation, form: str, key: str) -> list[str]:
    """Say it until it is answered: what was wrong with the answer."""
    path, body = REQUESTS[form]
    answered = await installation.gateway.command("poison", path, body, key)
    refused = 400 <= answered.status < 500
    return [] if refused else [f"I10: the poison request {form!r} got {answered.status}: {answered.body[:300]!r}"]


async def poison_entry(installation: Installation, form: str, name: str) -> None:
    """Append it to the log with the registry's credential, as the only commit of a run that nothing else needs."""
    events, parts = ENTRIES[form]
    address = Address("main", "run", name)
    body = encoder.encode(Commit(name, name, 1, AT, "anna", events=msgspec.Raw(events)))
    async with asyncio.timeout(APPEND_SECONDS_MAX):
        while not await appended(installation, address.subject, body, name):  # noqa: ASYNC110 (nobody tells us)
            await asyncio.sleep(AGAIN_SECONDS)  # the server may be down just now
    installation.poisoned[str(address)] = parts


async def appended(installation: Installation, subject: str, body: bytes, id: str) -> bool:
    """False when it is not known; it may be said again."""
    try:
        urls = list(installation.settings.urls) or [server_url(installation.home.root)]
        client = await connect(urls, read_credential(installation.home.root, "registry"), "poison")
    except (NatsUnavailable, OSError):
        return False
    try:
        await JetStreamLog(client).append(subject, body, id=id, expected=0)
    except LogUnavailable:
        return False
    except Conflict:
        pass  # an earlier try was stored after all
    finally:
        await close(client)
    return True


def unreported(installation: Installation) -> list[str]:
    """Each view that cannot show a poisoned resource and has raised no alert for it."""
    raised = set()
    for entry in installation.history.entries:
        for event in events_of(entry) if address_of(entry.subject).kind == "installation" else ():
            raised.add((event.get("resource"), event.get("part")))
    return [
        f"I10: no alert of the view {part} names {resource}, which it cannot show"
        for resource, parts in installation.poisoned.items()
        for part in sorted(parts)
        if (resource, part) not in raised
    ]
