"""Where our own requests to foreign addresses may go: to the public internet, and to what an operator has named.

What counts is the address that is connected to, not the name: names resolve to what their owner wants, and to
something else a second later. So a name is resolved once, every answer is judged, and the connection is made to
the very address that was judged.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from treering.kernel.refusal import Refused

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
ADDRESSES_MAX = 8
THREADS_MAX = 16


class Egress:
    """``allowed``: addresses or networks ("127.0.0.1", "10.1.0.0/16") that are let through although not public."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self.allowed = [network_of(one) for one in allowed]
        # Our own threads: name servers that do not answer must not use up those that others need.
        self.threads = ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="resolve")

    def permits(self, address: str) -> bool:
        """Whether we may connect to ``address``, an IP address in its usual form."""
        if self.is_allowed(address):
            return True
        found = plain(ipaddress.ip_address(address.partition("%")[0]))
        if found.version == 6 and found.is_site_local:  # fec0::/10, which Python takes for global
            return False
        return found.is_global and not (found.is_multicast or found.is_reserved or found.is_unspecified)

    def is_allowed(self, address: str) -> bool:
        """Whether the operator let it through by its number."""
        found = plain(ipaddress.ip_address(address.partition("%")[0]))
        return any(found.version == one.version and found in one for one in self.allowed)

    async def resolve(self, host: str, port: int) -> list[str]:
        """The addresses of ``host`` that we may connect to, in the resolver's order.

        ``Refused``: ``address.forbidden`` when one of them is not allowed, ``address.unknown`` when there is none.
        """
        try:
            answers = await asyncio.get_running_loop().run_in_executor(self.threads, look_up, host, port)
        except (OSError, UnicodeError) as error:
            raise Refused("address.unknown", f"{host[:100]!r} cannot be resolved: {error}") from None
        addresses = list(dict.fromkeys(answers))[:ADDRESSES_MAX]
        for address in addresses:
            if not self.permits(address):
                raise Refused(
                    "address.forbidden",
                    f"{host[:100]!r} is {address}, which is not a public address; "
                    f"an operator may allow it with --allow-address {address}",
                )
        if not addresses:
            raise Refused("address.unknown", f"{host[:100]!r} has no address")
        return addresses


def look_up(host: str, port: int) -> list[str]:
    return [str(answer[4][0]) for answer in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def network_of(text: str) -> Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise Refused("address.invalid", f"{text[:60]!r} is no IP address or network, such as 127.0.0.1") from None


def plain(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, if it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address.teredo:
        return address.teredo[1]
    return address.ipv4_mapped or address.sixtofour or address
