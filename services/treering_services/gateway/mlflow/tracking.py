"""The lines of MLflow's tracking API in the route table."""

from __future__ import annotations

from treering_services.gateway.route import Route

ROUTES: tuple[Route, ...] = ()
