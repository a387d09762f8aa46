"""Publish events from Python without waiting for each: batches, said until they are stored, stored once.

    with Client().publisher("main", source="/ci") as publisher:
        publisher.publish("build.finished", {"ok": True}, subject="job/train-1")

``publish`` gives an event its id, so however often a batch has to be said, each is stored once. When more wait than
``waiting_max``, ``publish`` waits too: that is the back-pressure. With ``outbox`` the events wait on disk instead,
and survive the end of this process, however it comes; see outbox.py.
"""

from __future__ import annotations

import json
import threading
import warnings
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self
from uuid import uuid4

from treering.client.errors import ApiError, Unreachable
from treering.client.http import Client, pause_seconds
from treering.client.urls import segment
from treering.kernel.refusal import Refused
from treering.kernel.shared_limits import EVENTS_BYTES_MAX, EVENTS_MAX, REQUEST_BYTES_MAX

WAITING_MAX = 10_000
REFUSED_MAX = 1000
CLOSE_SECONDS = 30.0


class Waiting(NamedTuple):
    number: int
    body: bytes  # the CloudEvent as JSON


class NotStored(NamedTuple):
    """An event the installation will not have, and why; saying it again is no use."""

    event: dict[str, Any]
    code: str
    detail: str


class EventsLeft(UserWarning):
    """Events stay in an outbox: they are safe, and nobody sends them until somebody opens it again, or flushes it."""


class Box(Protocol):
    """Where events wait, in order."""

    def put(self, body: bytes) -> None: ...

    def first(self, count_max: int, bytes_max: int) -> list[Waiting]: ...

    def remove(self, numbers: list[int], refused: list[NotStored]) -> None: ...

    def __len__(self) -> int: ...

    def close(self) -> None: ...


class MemoryBox:
    """Waits in memory; ``put`` blocks while it is full."""

    def __init__(self, waiting_max: int) -> None:
        self.waiting: deque[Waiting] = deque()
        self.waiting_max = waiting_max
        self.count = 0
        self.room = threading.Condition()

    def put(self, body: bytes) -> None:
        with self.room:
            self.room.wait_for(lambda: len(self.waiting) < self.waiting_max)
            self.count += 1
            self.waiting.append(Waiting(self.count, body))

    def first(self, count_max: int, bytes_max: int) -> list[Waiting]:
        with self.room:
            return bounded(self.waiting, count_max, bytes_max)

    def remove(self, numbers: list[int], refused: list[NotStored]) -> None:
        gone = set(numbers)
        with self.room:
            self.waiting = deque(one for one in self.waiting if one.number not in gone)
            self.room.notify_all()

    def __len__(self) -> int:
        return len(self.waiting)

    def close(self) -> None:
        pass


def bounded(waiting: deque[Waiting] | list[Waiting], count_max: int, bytes_max: int) -> list[Waiting]:
    """The first of them, at least one, in as many bytes as one request may have."""
    found, size_bytes = list[Waiting](), 0
    for one in waiting:
        size_bytes += len(one.body) + 1
        if found and (len(found) == count_max or size_bytes > bytes_max):
            break
        found.append(one)
    return found


class Publisher:
    """A thread of its own sends. ``on_refused`` is called there for each event that is refused for good; without it
    the last thousand are in ``refused``. A job may leave ``source`` out: its events then have the job's.

    Left with ``with``, it waits ``close_seconds`` for what is not stored yet. ``left``: how many events then stayed in
    the outbox, which is also told as the warning ``EventsLeft``."""

    def __init__(
        self,
        client: Client,
        workspace: str = "main",
        *,
        source: str = "",
        outbox: Path | None = None,
        waiting_max: int = WAITING_MAX,
        on_refused: Callable[[NotStored], None] | None = None,
        close_seconds: float = CLOSE_SECONDS,
    ) -> None:
        self.client = client
        self.path = f"/v1/workspaces/{segment(workspace)}/events?ordered=true"
        self.source = source
        self.on_refused = on_refused
        self.close_seconds = close_seconds
        self.outbox = outbox
        self.workspace = workspace
        self.left = 0
        self.refused: deque[NotStored] = deque(maxlen=REFUSED_MAX)
        self.box: Box = box_of(outbox, workspace, waiting_max)
        self.state = threading.Condition()
        self.ending = False
        self.failure = ""
        self.thread = threading.Thread(target=self.run, name="treering-publisher", daemon=True)
        self.thread.start()

    def publish(
        self, type: str, data: Any = None, *, subject: str = "", id: str = "", time: datetime | None = None,
        cause: str = "", content_type: str = "", schema: str = "",
        extensions: Mapping[str, str | int | bool] | None = None,
    ) -> str:  # fmt: skip
        """Hand an event over; its id. With an outbox it is on disk when this returns. ``data`` is JSON, or a text or
        bytes of the type ``content_type``. TypeError for what is none of them, ``Refused("publisher.closed")`` after
        ``close``, ``Refused("event.malformed")`` for a time without an offset from UTC, ``request.too_large`` for an
        event that no request can hold."""
        if self.ending:
            raise Refused("publisher.closed", "this publisher is closed; make another one")
        time = time or datetime.now(UTC)
        if time.tzinfo is None:
            why = "it has no offset from UTC, so nobody knows when that was; give one with a tzinfo"
            raise Refused("event.malformed", f"time is {time.isoformat()}; {why}")
        event = {"specversion": "1.0", "id": id or uuid4().hex, "type": type, "time": time.isoformat()}
        more = {
            "source": self.source, "subject": subject, "cause": cause, "datacontenttype": content_type,
            "dataschema": schema,
        }  # fmt: skip
        event |= {name: value for name, value in more.items() if value} | dict(extensions or {}) | data_of(data)
        body = json.dumps(event, allow_nan=False).encode()
        if len(body) + len("[]") > REQUEST_BYTES_MAX:
            raise Refused(
                "request.too_large", f"the event has {len(body)} bytes; at most {REQUEST_BYTES_MAX} are possible"
            )
        self.box.put(body)
        with self.state:
            self.state.notify_all()
        return event["id"]

    def flush(self, timeout_seconds: float | None = None) -> bool:
        """Wait until all that was published is stored or refused; False when that takes too long."""
        with self.state:
            return self.state.wait_for(lambda: not len(self.box), timeout_seconds)

    def close(self, timeout_seconds: float | None = None) -> int:
        """Flush, then stop. How many events are left in the outbox; ``Unreachable`` when some are left and there is
        none."""
        seconds = self.close_seconds if timeout_seconds is None else timeout_seconds
        if self.ending or not self.stop(seconds):
            return self.left
        if self.outbox is None:
            raise Unreachable(f"{self.left} events were not stored in {seconds:g} s: {self.failure}")
        warnings.warn(self.said_of_left(seconds), EventsLeft, stacklevel=3)
        return self.left

    def stop(self, seconds: float) -> int:
        """The same without a word; how many events are left."""
        self.flush(seconds)
        with self.state:
            self.ending = True
            self.state.notify_all()
        self.thread.join(seconds)
        self.left = len(self.box)
        self.box.close()
        return self.left

    def said_of_left(self, seconds: float) -> str:
        why = f": {self.failure}" if self.failure else ""
        path = str(self.outbox)
        return (
            f"{self.left} events for the workspace {self.workspace!r} were not stored in {seconds:g} s and stay in "
            f"{path}{why}. `treering publisher outbox {path} --flush` sends them, or the next publisher that has it"
        )

    def run(self) -> None:
        failures = 0
        while True:
            with self.state:
                self.state.wait_for(lambda: self.ending or len(self.box))
                if self.ending:
                    return
            try:
                failures = 0 if self.send_some() else failures + 1
            except (Unreachable, ApiError, OSError) as error:
                self.failure, failures = str(error), failures + 1
            if failures:
                with self.state:
                    self.state.wait_for(lambda: self.ending, pause_seconds(min(failures, 8)))

    def send_some(self) -> bool:
        """One batch; False when the log did not take any of it for now."""
        batch = self.box.first(EVENTS_MAX, EVENTS_BYTES_MAX)
        if not batch:  # it was closed
            return True
        body = b"[" + b",".join(one.body for one in batch) + b"]"
        headers = {"Content-Type": "application/cloudevents-batch+json"}
        answer = json.loads(self.client.ask("POST", self.path, body, headers))
        done, refused = list[int](), list[NotStored]()
        for one, result in zip(batch, answer["results"], strict=True):
            code = result.get("code", "")
            if code in ("log.unavailable", "service.busy"):
                continue
            done.append(one.number)
            if code:
                refused.append(NotStored(json.loads(one.body), code, result.get("detail", "")))
        self.box.remove(done, refused)
        for event in refused:
            (self.on_refused or self.refused.append)(event)
        with self.state:
            self.state.notify_all()
        return bool(done)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()


def data_of(data: Any) -> dict[str, Any]:
    """As an event has it: no data is none, and no null."""
    if isinstance(data, bytes | bytearray | memoryview):
        return {"data_base64": b64encode(data).decode()}
    return {} if data is None or data == "" else {"data": data}


def box_of(outbox: Path | None, workspace: str, waiting_max: int) -> Box:
    if outbox is None:
        return MemoryBox(waiting_max)
    from treering.client.outbox import Outbox

    return Outbox(outbox, workspace)
