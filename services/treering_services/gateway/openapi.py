"""The OpenAPI 3.1 document, computed from the route table and the types in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import msgspec

import treering
from treering.domain import KINDS
from treering.kernel.bounds import documented
from treering.kernel.log import encoder
from treering.kernel.subjects import NAME_CHARACTERS_MAX, plural
from treering_services.gateway.call import JSON
from treering_services.gateway.commands import public_commands
from treering_services.gateway.event_forms import describe_extensions
from treering_services.gateway.mlflow.errors import ErrorBody, mlflow_problem
from treering_services.gateway.policy import OPEN
from treering_services.gateway.problem import MEDIA_TYPE, Problem
from treering_services.gateway.route import Route

REFERENCE = "#/components/schemas/{name}"
# Of parts of paths: what ``checked_name`` lets through. A key may be a name and a version.
PATH_RULES = {
    "ws": {"minLength": 1, "maxLength": NAME_CHARACTERS_MAX},
    "key": {"minLength": 1, "maxLength": 2 * NAME_CHARACTERS_MAX + 1},
}
PARAMETER = re.compile(r"{(\w+)}")


@cache
def describe(routes: tuple[Route, ...]) -> bytes:
    """The document as JSON. Paths with ``{kinds}`` are spelled out for every kind, ``{command}`` for every command."""
    expanded = [one for route in routes for one in spelled_out(route)]
    bodies = {type for route in expanded for type in (route.request, route.response, Problem) if is_described(type)}
    types = [*bodies, ErrorBody]
    schemas, components = msgspec.json.schema_components(types, ref_template=REFERENCE)
    by_type = dict(zip(types, schemas, strict=True))
    documented(components)
    describe_extensions(components)
    for schema in components.values():
        plain_tuples(schema)
    for command in (command for kind in KINDS.values() for command in kind.command_types.values()):
        without_tag(components.get(command.__name__))
    paths: dict[str, dict[str, Any]] = {}
    for route in expanded:
        paths.setdefault(route.path, {}).setdefault(route.method.lower(), operation(route, by_type))
    return encoder.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "treering", "version": treering.__version__, "summary": "Every change is an event"},
            "security": [{"token": []}, {"password": []}],
            "paths": paths,
            "components": {
                "schemas": components,
                "securitySchemes": {
                    "token": {"type": "http", "scheme": "bearer"},
                    "password": {"type": "http", "scheme": "basic", "description": "The token as the password"},
                },
            },
        }
    )


def is_described(type: Any) -> bool:
    return type is not None and type is not bytes


def without_tag(schema: dict[str, Any] | None) -> None:
    """The path says which command it is, so the body need not."""
    if schema is not None:
        schema["properties"].pop("type", None)
        schema["required"] = [name for name in schema.get("required", []) if name != "type"]


def spelled_out(route: Route) -> Iterator[Route]:
    kinds = [(plural(name), kind) for name, kind in KINDS.items()]
    if "{kinds}" not in route.path:
        kinds = [("", KINDS["workspace"])]
    for word, kind in kinds:
        one = replace(route, path=route.path.replace(":path}", "}").replace("{kinds}", word))
        if "{command}" not in route.path:
            yield one
            continue
        for name, command in public_commands(kind).items():
            summary = f"{name} a {kind.kind}"
            yield replace(one, path=one.path.replace("{command}", name), summary=summary, request=command)


def operation(route: Route, schemas: dict[Any, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": f"{route.method.lower()} {route.path}",
        "summary": route.summary,
        "description": route.policy.described(),
        "parameters": [*path_parameters(route), *query_parameters(route)],
        "responses": {
            **{str(status): response(route, schemas) for status in (route.status, *route.also)},
            "default": {"description": "Refused", "content": refusals(route, schemas)},
        },
    }
    if route.request is not None:
        schema = schemas.get(route.request, {})
        media_types = (route.request_media_type, *route.or_request_media_types)
        described["requestBody"] = {"content": {media_type: {"schema": schema} for media_type in media_types}}
    if route.policy is OPEN:
        described["security"] = []
    return described


def refusals(route: Route, schemas: dict[Any, Any]) -> dict[str, Any]:
    """MLflow's clients get MLflow's shape; what is refused before its line was found has ours there too."""
    ours = {MEDIA_TYPE: {"schema": schemas[Problem]}}
    return {JSON: {"schema": schemas[ErrorBody]}, **ours} if route.problems is mlflow_problem else ours


def plain_tuples(schema: Any) -> None:
    """A tuple of equal members as an array of so many: many tools that read OpenAPI know no ``prefixItems``."""
    for value in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        plain_tuples(value)
    members = schema.get("prefixItems") if isinstance(schema, dict) else None
    if members and all(member == members[0] for member in members):
        del schema["prefixItems"]
        schema["items"] = members[0]


def response(route: Route, schemas: dict[Any, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {"description": "Done"}
    if route.response is not None:
        types = [type for type in (route.media_type, route.or_media_type) if type]
        described["content"] = {type: {"schema": schemas.get(route.response, {})} for type in types}
    return described


def path_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", **PATH_RULES.get(name, {})}}
        for name in PARAMETER.findall(route.path)
    ]


def query_parameters(route: Route) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    (schema,), components = msgspec.json.schema_components([route.query], ref_template=REFERENCE)
    documented(components)
    properties = components[schema["$ref"].rpartition("/")[2]]["properties"]
    required = components[schema["$ref"].rpartition("/")[2]].get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": one} for name, one in properties.items()
    ]
