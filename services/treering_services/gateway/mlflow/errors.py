"""How MLflow says no: a body ``{error_code, message}`` and the status that goes with the code.

The codes, their statuses and the texts that clients match on are MLflow's (mlflow/protos/databricks.proto and
mlflow/exceptions.py of 3.18).
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from starlette.responses import Response

from treering.adapters.descriptors import out_of_descriptors
from treering.kernel.disk import NO_DESCRIPTOR_LEFT, refusal_of
from treering.kernel.log import Conflict, LogDamaged, LogFull, LogUnavailable, encoder
from treering.kernel.refusal import Refused
from treering_services.gateway.call import JSON
from treering_services.gateway.problem import RETRY_AFTER_SECONDS, status_of

SEE = "See the API docs for more information about request parameters."
INVALID = "INVALID_PARAMETER_VALUE"
ABSENT = "RESOURCE_DOES_NOT_EXIST"
EXISTS = "RESOURCE_ALREADY_EXISTS"
FORBIDDEN = "PERMISSION_DENIED"
UNAVAILABLE = "TEMPORARILY_UNAVAILABLE"
STATUSES: Mapping[str, int] = {
    "INTERNAL_ERROR": 500,
    "INVALID_STATE": 500,
    "NOT_IMPLEMENTED": 501,
    UNAVAILABLE: 503,
    "RESOURCE_EXHAUSTED": 429,
    "REQUEST_LIMIT_EXCEEDED": 429,
    "RESOURCE_CONFLICT": 409,
    ABSENT: 404,
    "ENDPOINT_NOT_FOUND": 404,
    FORBIDDEN: 403,
    "UNAUTHENTICATED": 401,
    "BAD_REQUEST": 400,
    EXISTS: 400,
    INVALID: 400,
}
# What a refusal of ours is called there, by the status it has here; 409 depends on the word of the code.
CODES: Mapping[int, str] = {
    400: INVALID, 401: "UNAUTHENTICATED", 403: FORBIDDEN, 404: ABSENT, 409: "RESOURCE_CONFLICT", 413: INVALID,
    415: "BAD_REQUEST", 429: "REQUEST_LIMIT_EXCEEDED", 500: "INTERNAL_ERROR", 503: UNAVAILABLE,
    507: "RESOURCE_EXHAUSTED",
}  # fmt: skip


INCOMPLETE = ("view.incomplete", "view.damaged", "resource.incomplete")


class MlflowError(Exception):
    """A refusal in MLflow's words: ``error_code`` is one of its codes, ``message`` what its clients show."""

    def __init__(self, error_code: str, message: str) -> None:
        super().__init__(f"{error_code}: {message}")
        self.error_code = error_code
        self.message = message


class ErrorBody(Struct, frozen=True):
    error_code: str
    message: str


def invalid(message: str) -> MlflowError:
    """A value that cannot be right, whatever the state of things."""
    return MlflowError(INVALID, message)


def absent(message: str) -> MlflowError:
    """What is asked for does not exist."""
    return MlflowError(ABSENT, message)


def missing_value(name: str) -> MlflowError:
    """A required field was not sent."""
    return invalid(f"Missing value for required parameter '{name}'. {SEE}")


def mlflow_problem(error: Exception) -> Response | None:
    """The answer to an exception that is part of the contract; None for one that nobody expected."""
    match error:
        case MlflowError():
            return answered(error.error_code, error.message)
        case Refused(code="request.timeout"):  # its clients go by the status, and say the request again at 408
            return answered(UNAVAILABLE, error.detail, 408)
        case Refused() if error.code in INCOMPLETE:  # MLflow has no word for it, so ours is in the sentence
            return answered(code_of(error.code), f"{error.code}: {error.detail}")
        case Refused():
            return answered(code_of(error.code), error.detail)
        case LogFull():
            return answered("RESOURCE_EXHAUSTED", str(error))
        case LogUnavailable() | Conflict() | LogDamaged():
            return answered(UNAVAILABLE, str(error))
        case _ if out_of_descriptors(error):
            return answered(UNAVAILABLE, NO_DESCRIPTOR_LEFT)
        case _:
            refused = refusal_of(error)
            return None if refused is None else answered(code_of(refused.code), refused.detail)


def code_of(code: str) -> str:
    """MLflow's code for a refusal of ours."""
    if code.endswith(".exists"):
        return EXISTS
    return CODES.get(status_of(code), INVALID)


def answered(error_code: str, message: str, status: int = 0) -> Response:
    status = status or STATUSES.get(error_code, 500)
    headers = {"retry-after": str(RETRY_AFTER_SECONDS)} if status in (429, 503) else {}
    if status == 408:
        headers["connection"] = "close"
    if status == 401:
        headers["www-authenticate"] = 'Bearer realm="treering"'
    return Response(encoder.encode(ErrorBody(error_code, message)), status, headers=headers, media_type=JSON)
