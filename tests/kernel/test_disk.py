"""What the operating system says of a file becomes a refusal with a reason at every edge."""

from __future__ import annotations

import errno
import json

import pytest

from treering.adapters.bus import Responder
from treering.kernel.disk import PASSING, REASONS, CannotWrite, refusal_of
from treering_services.gateway.mlflow.errors import mlflow_problem
from treering_services.gateway.problem import problem_of

ERRORS = [
    *(OSError(number, "said by the system", "/home/someone/secret") for number in REASONS),
    CannotWrite("x: full"),
]
EDGES = (problem_of, mlflow_problem)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: errno.errorcode.get(getattr(error, "errno", 0), "SQLite"))
@pytest.mark.parametrize("edge", EDGES)
def test_an_edge_answers_with_the_status_and_reason_of_the_error(edge: object, error: Exception) -> None:
    answer = edge(error)  # type: ignore[operator]
    refused = refusal_of(error)
    assert refused is not None
    assert answer.status_code == expected(error, is_mlflow=edge is mlflow_problem)
    said = json.loads(answer.body)
    assert (said.get("detail") or said["message"]) == refused.detail and "/home" not in refused.detail


def expected(error: Exception, *, is_mlflow: bool) -> int:
    if isinstance(error, CannotWrite) or (isinstance(error, OSError) and error.errno in PASSING):
        return 429 if is_mlflow else 507  # MLflow has no code that means 507
    return 503 if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE) else 500


@pytest.mark.anyio
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: errno.errorcode.get(getattr(error, "errno", 0), "SQLite"))
async def test_a_question_over_nats_is_answered_with_the_same_reason(error: Exception) -> None:
    async def failing(subject: str, body: bytes) -> bytes:
        raise error

    said = json.loads(await Responder(None, "x", failing).handle("x", b""))  # type: ignore[arg-type]
    refused = refusal_of(error)
    assert refused is not None and (said["code"], said["detail"]) == (refused.code, refused.detail)


def test_other_errors_are_no_refusals() -> None:
    assert [refusal_of(one) for one in (ConnectionResetError(), OSError("x"), ValueError("x"), KeyError(28))] == [
        None
    ] * 4
