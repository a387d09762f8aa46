"""The three streams: how each must be configured, the one step that creates them, and what state they are in.

Only the bootstrap step creates a stream, with its own credential. A service that misses a stream, or finds it
configured otherwise, stops: a store that came up empty must never be taken for a new installation.
"""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import msgspec
import nats.errors
from msgspec import Struct
from nats.aio.client import Client
from nats.js.api import DiscardPolicy, PersistMode, RetentionPolicy, StorageType, StreamConfig

from treering.kernel.log import LogDamaged, LogUnavailable

DUPLICATE_WINDOW_SECONDS = 120
LOG_AGE_MAX_SECONDS = 7 * 24 * 3600
REQUEST_TIMEOUT_SECONDS = 5.0
BOOTSTRAP_TIMEOUT_SECONDS = 30.0
RETRY_SECONDS = 0.1
STREAM_NOT_FOUND = 10059
REPAIR = "Nothing changes it by itself: move the store away and restore the log (treering log restore)"
RESTORE = (
    "the store is another one or was lost. A new installation makes the streams in the bootstrap step; "
    "else put the store back, or restore the log (treering log restore)"
)
# What would age, drop, rewrite or copy messages behind our back, unless ``stream_configs`` sets it.
MUST_BE_OFF = (
    "allow_msg_ttl", "allow_msg_counter", "allow_msg_schedules", "mirror", "sources", "republish",
    "subject_transform", "persist_mode", "compression",
)  # fmt: skip
OFF = (None, False, 0, "", "none", "default")
# While a cluster elects: no leader yet, no answer from it, not enough peers.
NOT_READY = frozenset({10008, 10009, 10005, 10074})


class StreamWrong(Exception):
    """A stream exists but is configured otherwise; the message says how. It is never changed by itself."""


class StreamState(NamedTuple):
    """What a stream says it holds. ``deleted`` or ``lost`` above 0 mean damage: nobody may delete."""

    first: int
    last: int
    messages: int
    deleted: int
    lost: int


class ApiError(Struct, frozen=True):
    code: int = 0
    err_code: int = 0
    description: str = ""


class LostData(Struct, frozen=True):
    msgs: list[int] | None = None
    bytes: int = 0


class State(Struct, frozen=True):
    messages: int = 0
    first_seq: int = 0
    last_seq: int = 0
    num_deleted: int = 0
    lost: LostData | None = None


class Reply(Struct, frozen=True):
    """The answer to STREAM.INFO and STREAM.CREATE, as far as it matters here."""

    config: dict[str, Any] = {}
    state: State = State()
    error: ApiError | None = None


replies: msgspec.json.Decoder[Reply] = msgspec.json.Decoder(Reply)


def stream_configs(replicas: int = 1) -> dict[str, StreamConfig]:
    """The configuration of each stream. A full store refuses new messages, it never drops old ones."""
    common: dict[str, Any] = {
        "retention": RetentionPolicy.LIMITS,
        "storage": StorageType.FILE,
        "num_replicas": replicas,
        "max_consumers": -1,
        "max_msgs": -1,
        "max_bytes": -1,
        "max_age": 0,
        "deny_delete": True,
        "deny_purge": True,
        "allow_direct": True,
        "allow_rollup_hdrs": False,
        "discard": DiscardPolicy.NEW,
        "duplicate_window": DUPLICATE_WINDOW_SECONDS,
    }
    events = StreamConfig(name="EVT", subjects=["evt.>"], allow_atomic=True, **common)
    metrics = StreamConfig(name="MET", subjects=["met.>"], allow_batched=True, **common)
    # Console lines are archived as an artifact when the job ends, so they may age, and a power cut may cost
    # the last of them: not worth a disk sync each. The server offers that for a single replica only.
    console = StreamConfig(name="LOG", subjects=["log.>"], **{**common, "max_age": LOG_AGE_MAX_SECONDS})
    if replicas == 1:
        console.persist_mode = PersistMode.ASYNC
    return {"EVT": events, "MET": metrics, "LOG": console}


async def bootstrap(client: Client, replicas: int = 1) -> None:
    """Create the streams that are missing and check those that exist. ``client`` is the user ``bootstrap``.

    Raises StreamWrong for a stream that differs, LogUnavailable when no server answers in time (a cluster
    without a leader is waited for, up to 30 s).
    """
    try:
        async with asyncio.timeout(BOOTSTRAP_TIMEOUT_SECONDS):
            for config in stream_configs(replicas).values():
                await ensure_stream(client, config)
    except TimeoutError:
        raise LogUnavailable(f"the streams could not be made in {BOOTSTRAP_TIMEOUT_SECONDS:.0f} s") from None


async def ensure_stream(client: Client, config: StreamConfig) -> None:
    # STREAM.CREATE of a stream that exists equally succeeds, and answers with what is there.
    body = msgspec.json.encode(config.as_dict())
    while True:
        try:
            reply = await ask(client, f"$JS.API.STREAM.INFO.{config.name}")
            if reply.error is not None and reply.error.err_code == STREAM_NOT_FOUND:
                reply = await ask(client, f"$JS.API.STREAM.CREATE.{config.name}", body)
        except LogUnavailable:
            await asyncio.sleep(RETRY_SECONDS)
            continue
        if reply.error is None:
            check_config(config, reply.config)
            return
        if reply.error.err_code not in NOT_READY:
            raise StreamWrong(f"stream {config.name}: {reply.error.description} ({reply.error.err_code})")
        await asyncio.sleep(RETRY_SECONDS)


def check_config(wanted: StreamConfig, found: dict[str, Any]) -> None:
    """Raise StreamWrong naming every field that is not as ``wanted``; one the server leaves out is off."""
    required = msgspec.json.decode(msgspec.json.encode(wanted.as_dict()))
    for field in MUST_BE_OFF:
        required.setdefault(field, None)
    wrong = [
        f"{field} is {found.get(field)!r}, not {value!r}"
        for field, value in sorted(required.items())
        if found.get(field) != value and not (value in OFF and found.get(field) in OFF)
    ]
    if wrong:
        raise StreamWrong(f"stream {wanted.name} is not as it must be: {'; '.join(wrong)}. {REPAIR}")


async def require_streams(client: Client, *names: str) -> None:
    """Raise LogDamaged unless each stream exists. ``client`` needs STREAM.INFO on each of ``names``."""
    for name in names or ("EVT",):
        await stream_state(client, name)


async def stream_state(client: Client, name: str) -> StreamState:
    """What stream ``name`` holds; LogDamaged when it does not exist, LogUnavailable without an answer."""
    reply = await ask(client, f"$JS.API.STREAM.INFO.{name}")
    if reply.error is not None:
        if reply.error.err_code == STREAM_NOT_FOUND:
            raise LogDamaged(f"stream {name} does not exist: {RESTORE}")
        raise LogUnavailable(f"stream {name}: {reply.error.description} ({reply.error.err_code})")
    state = reply.state
    lost = len(state.lost.msgs or ()) if state.lost else 0
    return StreamState(state.first_seq, state.last_seq, state.messages, state.num_deleted, lost)


async def ask(client: Client, subject: str, body: bytes = b"") -> Reply:
    try:
        message = await client.request(subject, body, timeout=REQUEST_TIMEOUT_SECONDS)
        return replies.decode(message.data)
    except (nats.errors.Error, TimeoutError, OSError) as error:
        raise LogUnavailable(f"no answer to {subject}: {error or type(error).__name__}") from error
    except msgspec.MsgspecError as error:
        raise LogUnavailable(f"an unreadable answer to {subject}: {error}") from error
