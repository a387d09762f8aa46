"""What a route is: one line of the table, from which the server, its policy and its description all follow."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from treering_services.gateway.call import JSON, Call
from treering_services.gateway.problem import problem_of

Handler = Callable[[Call], Awaitable[Response]]
Problems = Callable[[Exception], Response | None]


@dataclass(frozen=True)
class Route:
    """``policy`` is the set of token kinds let in. ``request``, ``query`` and ``response`` are msgspec types.

    ``problems`` turns an exception that is part of the contract into an answer, None for any other.
    """

    method: str
    path: str
    handler: Handler
    policy: frozenset[str]
    summary: str
    request: Any = None
    response: Any = None
    query: Any = None
    status: int = 200
    media_type: str = JSON  # of the answer
    request_media_type: str = JSON
    problems: Problems = problem_of
