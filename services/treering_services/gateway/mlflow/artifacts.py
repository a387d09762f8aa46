"""The lines of MLflow's artifacts API in the route table."""

from __future__ import annotations

from treering_services.gateway.route import Route

ROUTES: tuple[Route, ...] = ()
