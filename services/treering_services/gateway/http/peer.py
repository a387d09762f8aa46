"""What a connection and the requests on it know of each other."""

from __future__ import annotations

from starlette.types import Scope

from treering.kernel.asking import Asker

PEER = "treering.peer"  # in the ``state`` of a request's scope


class Peer(Asker):
    """Who is at the other end. ``caller`` is empty until a valid token was read. Of the body of its newest request:
    ``sending``: there is more to come; ``slow``: it came too slowly."""

    __slots__ = ("address", "sending", "slow")

    def __init__(self, address: str = "") -> None:
        super().__init__()
        self.address = address
        self.sending = False
        self.slow = False


def peer_of(scope: Scope) -> Peer:
    """The peer that sent the request; one that nobody knows for a request that came over no connection."""
    found = scope.get("state", {}).get(PEER)
    return found if isinstance(found, Peer) else Peer()
