"""HTTP/1.1 connections to one address, kept open between requests and shared by threads."""

from __future__ import annotations

import http.client
import threading
from urllib.parse import urlsplit

from treering.client.errors import NotRunning
from treering.kernel.refusal import Refused

IDLE_MAX = 8
CONNECT_TIMEOUT_SECONDS = 5.0


class Connections:
    """``take`` one, use it, and ``give_back`` it when its reply was read to the end; else close it."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Refused("url.invalid", f"{url[:200]!r} is no address of an installation; write http://HOST:PORT")
        self.url = url.rstrip("/")
        self.prefix = parts.path.rstrip("/")
        self.netloc = parts.netloc.rpartition("@")[2]
        self.secure = parts.scheme == "https"
        self.host, self.port = parts.hostname, parts.port
        self.idle: list[http.client.HTTPConnection] = []
        self.lock = threading.Lock()
        self.answered = False

    def take(self, timeout_seconds: float) -> http.client.HTTPConnection:
        """An open connection whose reads wait ``timeout_seconds``; OSError when there is no way there.

        ``NotRunning`` when nothing listens and nothing ever did: then waiting is no use.
        """
        with self.lock:
            connection = self.idle.pop() if self.idle else None
        if connection is None:
            connection = self.opened()
        if connection.sock is not None:
            connection.sock.settimeout(timeout_seconds)
        return connection

    def opened(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self.secure else http.client.HTTPConnection
        connection = kind(self.host, self.port, timeout=CONNECT_TIMEOUT_SECONDS)
        try:
            connection.connect()
        except ConnectionRefusedError:
            connection.close()
            if self.answered:
                raise
            message = f"treering is not running at {self.url}: start it with `treering up`"
            raise NotRunning(message) from None
        except OSError:
            connection.close()
            raise
        self.answered = True
        return connection

    def give_back(self, connection: http.client.HTTPConnection) -> None:
        with self.lock:
            if len(self.idle) < IDLE_MAX:
                self.idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        with self.lock:
            idle, self.idle = self.idle, []
        for connection in idle:
            connection.close()
