"""Before anything else: is this request meant for us, and does it come from a page of ours?

A page of another site can make a browser send requests to this machine, under any name it makes resolve to
it. Such a request betrays itself by its Host or its Origin, and by nothing else that can be relied on.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

from starlette.types import Scope

from treering.kernel.refusal import Refused

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Guard:
    """Knows by which names the gateway is reached. ``more_hosts`` are names of a proxy in front of it."""

    def __init__(self, host: str, port: int, more_hosts: Collection[str] = ()) -> None:
        self.port = port
        names = {*LOOPBACK, bracketed(host)}
        self.hosts = {f"{name}:{port}".encode() for name in names} | {name.encode() for name in more_hosts}
        if port == 80:
            self.hosts |= {name.encode() for name in names}
        self.any_address = not is_loopback(host)

    def check(self, scope: Scope) -> None:
        """Raises ``Refused``: ``host.forbidden``, ``origin.forbidden``."""
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1 or not self.is_ours(hosts[0]):
            why = "the Host header does not name this server; ask for an address that it listens on"
            raise Refused("host.forbidden", why)
        if scope["method"] in SAFE_METHODS:
            return
        for name, value in scope["headers"]:
            if name == b"origin" and not self.is_our_origin(value):
                why = "the request comes from a page of another site; only pages of this server may change something"
                raise Refused("origin.forbidden", why)

    def is_ours(self, host: bytes) -> bool:
        """A server that listens to the network is also reached by its addresses; only names can be rebound."""
        host = host.lower()
        return host in self.hosts or (self.any_address and is_address(host.decode("latin-1"), self.port))

    def is_our_origin(self, origin: bytes) -> bool:
        scheme, _, host = origin.partition(b"://")
        return scheme in (b"http", b"https") and self.is_ours(host)


def bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host.lower()


def is_address(host: str, port: int) -> bool:
    name, colon, said = host.rpartition(":")
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return bool(colon) and said == str(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server bound to ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
