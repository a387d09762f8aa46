"""The lines of MLflow's REST API.

Each line is written once, with the path below ``/api``; the same stands below ``/ajax-api``, where MLflow's own
web pages look for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from treering_services.gateway.mlflow import artifacts, registry, tracking, webhook_lines
from treering_services.gateway.mlflow.errors import mlflow_problem
from treering_services.gateway.mlflow.not_implemented import rest_of
from treering_services.gateway.route import Route

API = "/api/"
AJAX = "/ajax-api/"


def both(routes: tuple[Route, ...]) -> Iterator[Route]:
    """Every line with MLflow's shape of errors, and its twin below ``/ajax-api``."""
    for route in routes:
        line = replace(route, problems=mlflow_problem)
        yield line
        if line.path.startswith(API):
            yield replace(line, path=AJAX + line.path.removeprefix(API))


SERVED = (*tracking.ROUTES, *artifacts.ROUTES, *registry.ROUTES, *webhook_lines.ROUTES)
MLFLOW_ROUTES: tuple[Route, ...] = (*both(SERVED), *both(rest_of(SERVED)))
