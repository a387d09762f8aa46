"""Watch one workspace over NATS, with the credential of a subscriber and nothing else.

    async for event in nats_events(url, Path("subscriber-dashboard.json"), kind="job", since="now"): ...

Batch after batch is asked for. One whose answer is lost, or that nobody can answer now, is asked for again: no event is
missed, none comes twice.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct
from nats.aio.client import Client

from treering.adapters.bus import ask
from treering.adapters.nats_connect import NatsUnavailable, close, connect
from treering.adapters.nats_credentials import CREDENTIAL_BYTES_MAX, Credential
from treering.adapters.nats_users import SUBSCRIBER_PREFIX
from treering.client.errors import Unreachable, api_error
from treering.client.events import Event, Since, read_event
from treering.client.http import pause_seconds
from treering.kernel.decoding import decode
from treering.kernel.log import LogUnavailable, encoder

WAIT_SECONDS = 20.0
ANSWER_SECONDS = 10.0  # behind the end of the wait
LATER = ("log.unavailable", "service.busy", "service.failed")


class Asked(Struct, frozen=True):
    """See ``nats_events``."""

    since: int | str
    kind: str
    name: str
    type: str
    wait_seconds: float = WAIT_SECONDS


class Batch(Struct, frozen=True):
    """The answer: a batch, or with ``code`` a refusal, which after a restore says more."""

    events: list[msgspec.Raw] = []
    next: str = ""
    code: str = ""
    detail: str = ""
    epoch: str = ""
    head: int = 0
    common: int = 0


async def nats_events(
    urls: str | Sequence[str],
    credential: Path,
    *,
    kind: str = "",
    name: str = "",
    type: str | Sequence[str] = "",
    since: Since = None,
) -> AsyncIterator[Event]:
    """Every event of the subscriber's workspace behind ``since`` (see ``Client.events``), then each as it comes.

    ``credential`` is the file that ``treering subscriber add`` names. Raises ``ApiError`` when the request is refused
    (``OtherLog`` when the log was restored and is not the one of ``since`` any more),
    ``Unreachable`` when the server is not there at the start, or does not let the subscriber in (any more).
    """
    known = await asyncio.to_thread(credential_in, credential)
    types = type if isinstance(type, str) else ",".join(type)
    asked = Asked("" if since is None else since, kind, name, types)
    if since == "now":  # where that is, is answered at once: a lost answer that had waited would lose its events
        asked = msgspec.structs.replace(asked, wait_seconds=0.0)
    try:
        client = await connect(urls, known, known.user)
    except NatsUnavailable as error:
        raise Unreachable(str(error)) from None
    try:
        while True:
            batch = await answered(client, f"sub.{known.user.removeprefix(SUBSCRIBER_PREFIX)}", asked)
            for event in map(read_event, map(bytes, batch.events)):
                yield msgspec.structs.replace(event, place=place_of(event))
            asked = msgspec.structs.replace(asked, since=batch.next, wait_seconds=WAIT_SECONDS)
    finally:
        await close(client)


def credential_in(file: Path) -> Credential:
    return decode(file.read_bytes(), Credential, code="credential.malformed", bytes_max=CREDENTIAL_BYTES_MAX)


async def answered(client: Client, subject: str, asked: Asked) -> Batch:
    """The next batch, asked for until somebody answers."""
    for attempt in itertools.count():
        try:
            timeout_seconds = asked.wait_seconds + ANSWER_SECONDS
            body = await ask(client, subject, encoder.encode(asked), timeout_seconds=timeout_seconds)
        except LogUnavailable as error:
            if client.is_closed:
                raise Unreachable(f"the server does not let this subscriber in any more: {error}") from None
        else:
            batch = decode(body, Batch, code="reply.malformed")
            if not batch.code:
                return batch
            if batch.code not in LATER:
                raise api_error(batch.code, batch.detail, 410 if batch.epoch else 400, msgspec.structs.asdict(batch))
        await asyncio.sleep(pause_seconds(min(attempt, 10)))
    raise AssertionError("it is asked for without end")


def place_of(event: Event) -> str:
    """The id of an event of treering's own says where it stands; one that was published is alone in its commit."""
    if not event.published:
        return event.id
    return f"{event.epoch}:{event.position}.0" if event.epoch else f"{event.position}.0"
