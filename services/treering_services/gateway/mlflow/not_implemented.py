"""Every other endpoint of MLflow: known, not here, and said so in MLflow's words.

The names are the groups of the endpoints of MLflow 3.18 (``mlflow.server.handlers.get_endpoints``) that the other
files do not serve.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from starlette.responses import Response

from treering_services.gateway.call import Call
from treering_services.gateway.mlflow.errors import MlflowError, answered
from treering_services.gateway.policy import READ
from treering_services.gateway.route import Handler, Route

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


def not_implemented(methods: Mapping[str, Sequence[str]]) -> Handler:
    """501 for what MLflow has and treering has not, 405 for another method than a path takes, 404 for what nobody has.
    ``methods`` are those of each path that is served."""

    async def handle(call: Call) -> Response:
        rest = call.params.get("rest", "")
        if taken := methods.get(call.scope["path"].replace("/ajax-api/", "/api/", 1)):
            said = f"{call.scope['method']} is not for this endpoint, which takes {' or '.join(taken)}"
            refused = answered("ENDPOINT_NOT_FOUND", said, 405)
            refused.headers["allow"] = ", ".join(taken)
            return refused
        what = ABSENT_GROUPS.get(rest) or ABSENT_GROUPS.get(rest.partition("/")[0])
        if what is None:
            raise MlflowError("ENDPOINT_NOT_FOUND", "there is no such endpoint")
        raise MlflowError("NOT_IMPLEMENTED", f"treering does not have {what}")

    return handle


async def no_traces(call: Call) -> Response:
    raise MlflowError("NOT_IMPLEMENTED", "treering does not have traces")


async def no_graphql(call: Call) -> Response:
    raise MlflowError("NOT_IMPLEMENTED", "treering does not have MLflow's GraphQL; its REST API answers the same")


def rest(version: str, methods: Mapping[str, Sequence[str]]) -> tuple[Route, ...]:
    path, handler = f"/api/{version}/mlflow/{{rest:path}}", not_implemented(methods)
    return tuple(Route(method, path, handler, READ, "Not here") for method in METHODS)


def rest_of(served: Iterable[Route]) -> tuple[Route, ...]:
    """The lines for everything that ``served`` does not have."""
    methods: dict[str, list[str]] = {}
    for route in served:
        methods.setdefault(route.path, []).append(route.method)
    return (
        Route("POST", "/v1/traces", no_traces, READ, "Not here"),
        *(Route(method, "/graphql", no_graphql, READ, "Not here") for method in ("GET", "POST")),
        *rest("2.0", methods),
        *rest("3.0", methods),
    )
