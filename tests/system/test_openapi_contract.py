"""Every answer to a generated request is what /openapi.json says, in status, content type and body; none is a server
error. schemathesis makes the requests out of the document, seeded: some for a part of the operations here, more for all
of them in ``make soak``.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
import schemathesis
import schemathesis.specs.openapi.schemas  # else it is imported in a thread, which Python 3.11 does not always survive
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.system.http_client import Gateway
from tests.system.up import up

from treering.config import Home

pytestmark = pytest.mark.anyio
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
ANSWER_SECONDS_MAX = 30.0
SEED = 20260
PART = 60  # operations
ENDLESS = ("/v1/events", "/logs")  # a stream; its contract is in tests/services/test_gateway_streams.py


def is_asked_for(response: Any) -> bool:
    """A 5xx that is the right answer: MLflow has what treering does not (501), or ``?after=`` is not reached yet."""
    return response.status_code == 501 or (response.status_code == 503 and b'"code":"view.behind"' in response.content)


async def test_generated_requests_are_answered_as_the_document_says(tmp_path: Path) -> None:
    async with up(tmp_path / "home"):
        assert await asyncio.to_thread(breaks, Gateway(Home(tmp_path / "home"), []), PART, 2) == []


@pytest.mark.soak
async def test_many_generated_requests_to_every_operation_are_answered_as_the_document_says(tmp_path: Path) -> None:
    async with up(tmp_path / "home"):
        assert await asyncio.to_thread(breaks, Gateway(Home(tmp_path / "home"), []), 0, 20) == []


def breaks(gateway: Gateway, part: int, examples: int) -> list[str]:
    """What is not as documented, of ``examples`` requests to each of ``part`` operations (0: to all)."""
    every = list(operations(gateway))
    chosen = random.Random(SEED).sample(every, part) if part else every
    return [one for operation in chosen for one in breaks_of(gateway, operation, examples)]


def operations(gateway: Gateway) -> Iterator[Any]:
    for found in schemathesis.openapi.from_dict(document(gateway)).get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        if not (operation.method.upper() == "GET" and operation.path.endswith(ENDLESS)):
            yield operation


def document(gateway: Gateway) -> dict[str, Any]:
    with closing(gateway.connection(ANSWER_SECONDS_MAX)) as connection:
        connection.request("GET", "/openapi.json", headers=gateway.headers("openapi"))
        found: dict[str, Any] = msgspec.json.decode(connection.getresponse().read())
    return found


def breaks_of(gateway: Gateway, operation: Any, examples: int) -> list[str]:
    found: list[str] = []
    host, port = gateway.address()
    token = gateway.headers("")["authorization"]

    @seed(SEED)
    @settings(
        max_examples=examples, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy())
    def send(case: Any) -> None:
        response = case.call(
            base_url=f"http://{host}:{port}", headers={"authorization": token}, timeout=ANSWER_SECONDS_MAX
        )
        checks = CHECKS[1:] if is_asked_for(response) else CHECKS
        try:
            case.validate_response(response, checks=checks)
        except FailureGroup as group:
            said = "; ".join(f"{type(one).__name__} {one}" for one in group.exceptions)
            found.append(f"{case.method} {case.formatted_path}: {response.status_code} {said}"[:1500])

    send()
    return found
