"""What a route is: one line of the table, from which the server, its policy and its description all follow."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from treering_services.gateway.call import JSON, Call
from treering_services.gateway.policy import JobMay, Policy
from treering_services.gateway.problem import problem_of

Handler = Callable[[Call], Awaitable[Response]]
Problems = Callable[[Exception], Response | None]


@dataclass(frozen=True)
class Route:
    """``policy`` says whose token is let in, and what a job may do here. ``request``, ``query`` and ``response`` are
    msgspec types.

    ``problems`` turns an exception that is part of the contract into an answer, None for any other.
    """

    method: str
    path: str
    handler: Handler
    policy: Policy
    summary: str
    request: Any = None
    response: Any = None
    query: Any = None
    status: int = 200
    also: tuple[int, ...] = ()  # other statuses of an answer that is no refusal
    media_type: str = JSON  # of the answer
    or_media_type: str = ""  # what it may be instead, by what the request asks for
    request_media_type: str = JSON
    or_request_media_types: tuple[str, ...] = ()
    problems: Problems = problem_of
    tickets: bool = False  # also for who shows a ticket (tickets.py) instead of a token
    reads: bool = False  # it changes nothing, whatever its method and policy say

    @property
    def only_reads(self) -> bool:
        """Nothing is left half done when it ends because its client is gone."""
        return self.reads or self.method == "GET" or self.policy.job is JobMay.READ
