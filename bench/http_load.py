"""Load over HTTP from one thread: many kept-alive connections, on each one request at a time.

The client shares the machine with the server, so it does as little as can be: requests are bytes made beforehand,
and of an answer only its status and its end are looked at.
"""

from __future__ import annotations

import re
import selectors
import socket
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
TIMEOUT_SECONDS = 120.0
READ_BYTES = 1 << 20
HANGUPS_MAX = 1000  # a worker of mlflow server that dies takes its connections along


class HungUp(Exception):
    """The server closed the connection before it had answered."""


class Done(NamedTuple):
    """``seconds`` of each request, in the order they ended; ``hung_up``: how many had to be said again."""

    seconds: list[float]
    elapsed_seconds: float
    hung_up: int

    @property
    def per_second(self) -> float:
        return len(self.seconds) / self.elapsed_seconds

    @property
    def p50_ms(self) -> float:
        return statistics.median(self.seconds) * 1000


def request(url: str, method: str, path: str, body: bytes = b"") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Connection:
    """``answer`` is what has come of the answer under way."""

    def __init__(self, url: str) -> None:
        self.where = urlsplit(url)
        self.answer = bytearray()
        self.sent = b""
        self.sent_at = 0.0
        self.open()

    def open(self) -> None:
        self.socket = socket.create_connection((self.where.hostname, self.where.port), timeout=TIMEOUT_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes) -> None:
        self.answer.clear()
        self.sent, self.sent_at = data, time.perf_counter()
        self.socket.sendall(data)

    def send_again(self) -> None:
        """On a new connection; the clock of the request runs on."""
        self.socket.close()
        self.open()
        self.answer.clear()
        self.socket.sendall(self.sent)

    def whole(self) -> bool:
        """Read what there is; True at the end of a good answer, RuntimeError for any other. Raises HungUp."""
        try:
            part = self.socket.recv(READ_BYTES)
        except ConnectionResetError:
            part = b""
        if not part:
            raise HungUp
        self.answer += part
        head_end = self.answer.find(b"\r\n\r\n")
        if head_end < 0:
            return False
        length = LENGTH.search(self.answer, 0, head_end)
        if length is None:
            ended = self.answer.endswith(b"0\r\n\r\n")
        else:
            ended = len(self.answer) >= head_end + 4 + int(length[1])
        if ended and self.answer[9:10] != b"2":
            raise RuntimeError(bytes(self.answer[:2000]).decode("latin-1"))
        return ended

    def ask(self, data: bytes) -> bytes:
        """One request; the body of its answer."""
        self.send(data)
        for _ in range(HANGUPS_MAX):
            try:
                while not self.whole():
                    pass
                break
            except HungUp:
                self.send_again()
        return bytes(self.answer).partition(b"\r\n\r\n")[2]


def drive(url: str, connections: int, make: Callable[[int], bytes], *, seconds: float = 0.0, requests: int = 0) -> Done:
    """Keep ``connections`` busy for ``seconds``, or until ``requests`` are answered; ``make`` the n-th request."""
    selector = selectors.DefaultSelector()
    taken: list[float] = []
    made, hung_up = 0, 0
    began = time.perf_counter()
    open_connections = [Connection(url) for _ in range(connections)]
    for connection in open_connections:
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        connection.send(make(made))
        made += 1
    busy = len(open_connections)
    while busy:
        for key, _ in selector.select(TIMEOUT_SECONDS):
            connection = key.data
            try:
                if not connection.whole():
                    continue
            except HungUp:
                hung_up += 1
                if hung_up > HANGUPS_MAX:
                    raise
                selector.unregister(connection.socket)
                connection.send_again()
                selector.register(connection.socket, selectors.EVENT_READ, connection)
                continue
            now = time.perf_counter()
            taken.append(now - connection.sent_at)
            if (seconds and now - began < seconds) or (requests and made < requests):
                connection.send(make(made))
                made += 1
            else:
                selector.unregister(connection.socket)
                busy -= 1
    elapsed = time.perf_counter() - began
    for connection in open_connections:
        connection.socket.close()
    return Done(taken, elapsed, hung_up)
