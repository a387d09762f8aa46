"""Every other endpoint of MLflow: known, not here, and said so in MLflow's words.

The names are the groups of the endpoints of MLflow 3.18 (``mlflow.server.handlers.get_endpoints``) that the other
files do not serve.
"""

from __future__ import annotations

from starlette.responses import Response

from treering_services.gateway.call import Call
from treering_services.gateway.mlflow.errors import MlflowError
from treering_services.gateway.policy import READ
from treering_services.gateway.route import Route

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ABSENT_GROUPS = {
    "traces": "traces",
    "unified-traces": "traces",
    "get-trace-artifact": "traces",
    "get-online-trace-details": "traces",
    "datasets": "evaluation datasets",
    "gateway": "the AI gateway",
    "gateway-proxy": "the AI gateway",
    "scorers": "scorers",
    "scorer": "scorers",
    "issues": "issues",
    "label-schemas": "label schemas",
    "review-queues": "review queues",
    "prompt-optimization": "prompt optimization",
    "workspaces": "workspaces (treering has its own, below /v1/workspaces)",
    "jobs": "jobs (treering has its own, below /v1/workspaces)",
    "runs/create-promptlab-run": "the prompt laboratory",
    "demo": "the demonstration data",
    "genai": "generative evaluation",
}


async def not_implemented(call: Call) -> Response:
    """501 for what MLflow has and treering has not, 404 for what nobody has."""
    rest = call.params.get("rest", "")
    what = ABSENT_GROUPS.get(rest) or ABSENT_GROUPS.get(rest.partition("/")[0])
    if what is None:
        raise MlflowError("ENDPOINT_NOT_FOUND", "there is no such endpoint, or it does not take this method")
    raise MlflowError("NOT_IMPLEMENTED", f"treering does not have {what}")


async def no_traces(call: Call) -> Response:
    raise MlflowError("NOT_IMPLEMENTED", "treering does not have traces")


async def no_graphql(call: Call) -> Response:
    raise MlflowError("NOT_IMPLEMENTED", "treering does not have MLflow's GraphQL; its REST API answers the same")


def rest(version: str) -> tuple[Route, ...]:
    path = f"/api/{version}/mlflow/{{rest:path}}"
    return tuple(Route(method, path, not_implemented, READ, "Not here") for method in METHODS)


ROUTES: tuple[Route, ...] = (
    Route("POST", "/v1/traces", no_traces, READ, "Not here"),
    *(Route(method, "/graphql", no_graphql, READ, "Not here") for method in ("GET", "POST")),
    *rest("2.0"),
    *rest("3.0"),
)
