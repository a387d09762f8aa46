"""What a question is: its type, and the function that answers it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Protocol

from msgspec import Struct

from treering.config import Home
from treering.kernel.projector import Projector
from treering_services.monitor.notary import Notary
from treering_services.monitor.points_keeper import PointsKeeper
from treering_services.monitor.stores import Stores


class Asked(Protocol):
    """What questions are asked of: the monitor, as far as they see it."""

    @property
    def home(self) -> Home: ...
    @property
    def stores(self) -> Stores: ...
    @property
    def projector(self) -> Projector: ...
    @property
    def keeper(self) -> PointsKeeper: ...
    @property
    def notary(self) -> Notary: ...

    async def head(self) -> int: ...

    async def alarmed(self, work: Awaitable[Any]) -> Any: ...


class Question(NamedTuple):
    query: type[Struct]
    answer: Callable[[Any, Any], Awaitable[Any]]  # of an Asked and the query
