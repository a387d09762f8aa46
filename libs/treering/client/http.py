"""A synchronous HTTP client on the standard library alone, because a command line's start-up counts.

A write carries an idempotency key, so it may be said again when the connection is lost or the installation is
busy: it happens once. Everything is tried a bounded number of times.
"""

from __future__ import annotations

import http.client
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from treering.client.connections import Connections
from treering.client.errors import PASSING, ApiError, NotRunning, Unreachable, api_error
from treering.client.urls import query, tracking_uri
from treering.config import default_home
from treering.kernel.refusal import Refused

if TYPE_CHECKING:
    from treering.client.events import Event
    from treering.client.publisher import Publisher

TRIES_MAX = 6
PAUSE_SECONDS = 0.1
PAUSE_SECONDS_MAX = 5.0
TIMEOUT_SECONDS = 60.0
MLFLOW = "/api/"  # how the paths of MLflow's API begin
REPLY_BYTES_MAX = 64 * 1024 * 1024
LOST = (OSError, http.client.HTTPException)

Body = bytes | Callable[[], IO[bytes]] | None


class Client:
    """``url`` and ``token`` of one installation; without them, the one of this machine (see ``of_home``). What is asked
    of MLflow's API is asked of ``workspace``. Threads may share it; ``close`` it in the end."""

    def __init__(
        self, url: str = "", token: str = "", timeout_seconds: float = TIMEOUT_SECONDS, workspace: str = ""
    ) -> None:
        found, its_token = (url, token) if url else address_at(default_home())
        self.connections = Connections(found)
        self.token = token or its_token
        self.timeout_seconds = timeout_seconds
        self.mlflow_prefix = tracking_uri("", workspace)

    @classmethod
    def of_home(cls, home: Path, workspace: str = "") -> Client:
        """The installation ``TREERING_URL`` and ``TREERING_TOKEN`` name, or else the one whose home this is."""
        return cls(*address_at(home), workspace=workspace)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.connections.close()

    def events(
        self,
        *,
        workspace: str = "",
        kind: str = "",
        name: str = "",
        type: str | list[str] | tuple[str, ...] = "",
        since: int | str | None = None,
        follow: bool = True,
    ) -> Iterator[Event]:
        """The events of the log, then each new one as it comes: of a workspace, a kind, a name of that kind, some
        types (``job.*`` is all of jobs). ``since``: None is the beginning, "now", a position, or an event's ``place``.
        Without ``follow`` it ends with what there is now. Raises ``OtherLog`` when the log was restored, and is not the
        one of ``since`` any more."""
        from treering.client.events import events, watch

        return events(self, watch(workspace, kind, name, type, since, follow))

    def publisher(self, workspace: str = "main", *, source: str = "", outbox: Path | None = None) -> Publisher:
        """Publishes events of ``source`` into a workspace, see publisher.py; in a job it may be left out."""
        from treering.client.publisher import Publisher

        return Publisher(self, workspace, source=source, outbox=outbox)

    def get(self, path: str, **parameters: object) -> Any:
        """The JSON at ``path``; parameters that are None or "" are left out."""
        return parsed(self.ask("GET", path + query(parameters)))

    def get_bytes(self, path: str, **parameters: Any) -> bytes:
        """Ask, for what is not JSON."""
        return self.ask("GET", path + query(parameters))

    def post(self, path: str, body: object) -> Any:
        """Say ``body`` as JSON; the JSON of the reply. It happens once however often it has to be said."""
        key = os.urandom(16).hex()
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        return parsed(self.ask("POST", path, json.dumps(body).encode(), headers))

    def ask(self, method: str, path: str, body: Body = None, headers: Mapping[str, str] = {}) -> bytes:
        """One request, said again while the connection is lost or the refusal will pass; the body of the reply."""
        for attempt in range(TRIES_MAX):
            last = attempt == TRIES_MAX - 1
            try:
                with self.reply(method, path, body, headers) as reply:
                    return read_all(reply)
            except ApiError as error:
                if error.status not in PASSING or last or error.code == "view.incomplete":  # that does not pass
                    raise
            except LOST as error:
                if last:
                    raise self.lost(error) from error
            pause(attempt)
        raise AssertionError("the last try returns or raises")

    @contextmanager
    def reply(
        self,
        method: str,
        path: str,
        body: Body = None,
        headers: Mapping[str, str] = {},
        timeout_seconds: float | None = None,
    ) -> Iterator[http.client.HTTPResponse]:
        """A reply that is being received, tried once; ``ApiError`` when it is a refusal, OSError when it is lost."""
        connection = self.connections.take(timeout_seconds or self.timeout_seconds)
        try:
            reply = self.sent(connection, method, path, body, headers)
            if reply.status >= 400:
                raise refusal(reply.status, read_all(reply))
            yield reply
            whole = reply.isclosed() and not reply.will_close
        except BaseException:
            connection.close()
            raise
        if whole:
            self.connections.give_back(connection)
        else:
            connection.close()

    def sent(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: Body, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        authorised = {"Authorization": f"Bearer {self.token}", **headers} if self.token else dict(headers)
        target = self.connections.prefix + (self.mlflow_prefix if path.startswith(MLFLOW) else "") + path
        try:
            if callable(body):
                with opened(body) as file:
                    authorised["Content-Length"] = str(os.fstat(file.fileno()).st_size)
                    connection.request(method, target, file, authorised)
            else:
                connection.request(method, target, body, authorised)
        except (BrokenPipeError, ConnectionResetError):
            pass  # A refusal may have come before all of the body went.
        return connection.getresponse()

    def lost(self, error: Exception) -> Unreachable:
        why = str(error) or type(error).__name__
        return Unreachable(f"the connection to {self.connections.url} was lost {TRIES_MAX} times: {why}")


def address_at(home: Path) -> tuple[str, str]:
    """Address and token: what ``TREERING_URL`` and ``TREERING_TOKEN`` say, else the files of the home."""
    url = os.environ.get("TREERING_URL") or first_line(home / "url")
    if not url:
        raise NotRunning(f"treering is not running in {home}: start it with `treering up`")
    return url, os.environ.get("TREERING_TOKEN") or first_line(home / "token")


def opened(body: Callable[[], IO[bytes]]) -> IO[bytes]:
    """The file to send; what is wrong with it is no fault of the connection."""
    try:
        return body()
    except OSError as error:
        raise Refused("file.unreadable", str(error)) from None


def read_all(reply: http.client.HTTPResponse) -> bytes:
    data = reply.read(REPLY_BYTES_MAX + 1)
    if reply.length and len(data) <= REPLY_BYTES_MAX:
        raise http.client.IncompleteRead(data, reply.length)
    if len(data) > REPLY_BYTES_MAX:
        raise ApiError(
            "reply.too_large", f"the reply has more than {REPLY_BYTES_MAX} bytes; ask for less", reply.status
        )
    return data


def parsed(data: bytes) -> Any:
    """The JSON of a reply, None for an empty one."""
    try:
        return json.loads(data) if data else None
    except (ValueError, RecursionError):
        raise ApiError("reply.malformed", "the reply is no JSON; is this address a treering?", 200) from None


def refusal(status: int, data: bytes) -> ApiError:
    """What the problem+json of a refusal says (or MLflow's form of it), or as much as can be told without it."""
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        said = {}
    detail = said.get("detail") or said.get("message") or said.get("title") or f"the server answered {status}"
    code = said.get("code") or (f"mlflow.{said['error_code']}".lower() if "error_code" in said else f"http.{status}")
    return api_error(str(code), str(detail), status, said)


def pause(attempt: int) -> None:
    time.sleep(pause_seconds(attempt))


def pause_seconds(attempt: int) -> float:
    """Longer each time, and not for all clients equally long."""
    return float(min(PAUSE_SECONDS * 2**attempt, PAUSE_SECONDS_MAX)) * (0.5 + os.urandom(1)[0] / 512)


def first_line(file: Path) -> str:
    try:
        return file.read_text().strip() if file.is_file() else ""  # a FIFO would never answer
    except (OSError, UnicodeDecodeError):
        return ""
