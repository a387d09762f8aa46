"""MLflow's REST API as a client speaks it, on a running gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tests.services.gateway_example import Api, Reply, running_gateway

from treering.testing.nats import RunningNats

BASE = "/api/2.0/mlflow"


@dataclass
class Mlflow:
    api: Api
    token: str | None = None  # None: the owner's

    async def post(self, path: str, **fields: Any) -> Reply:
        return await self.api.ask("POST", f"{BASE}/{path}", fields, token=self.token)

    async def get(self, path: str, **fields: Any) -> Reply:
        return await self.api.ask("GET", f"{BASE}/{path}?{urlencode(fields, doseq=True)}", token=self.token)

    async def done(self, path: str, **fields: Any) -> Any:
        """The answer to a POST that succeeds."""
        reply = await self.post(path, **fields)
        assert reply.status == 200, (path, fields, reply.body)
        return reply.json

    async def refused(self, path: str, **fields: Any) -> str:
        """The error code of a POST that does not."""
        reply = await self.post(path, **fields)
        assert reply.status >= 400, (path, fields, reply.body)
        return str(reply.json["error_code"])

    async def experiment(self, name: str) -> str:
        return str((await self.done("experiments/create", name=name))["experiment_id"])

    async def run(self, experiment_id: str = "0", **fields: Any) -> str:
        made = await self.done("runs/create", experiment_id=experiment_id, start_time=1, **fields)
        return str(made["run"]["info"]["run_id"])

    async def shown(self, run_id: str) -> Any:
        reply = await self.get("runs/get", run_id=run_id)
        assert reply.status == 200, reply.body
        return reply.json["run"]


@asynccontextmanager
async def mlflow_gateway(nats: RunningNats) -> AsyncIterator[Mlflow]:
    async with running_gateway(nats) as api:
        yield Mlflow(api)


def pairs(items: Any) -> dict[str, Any]:
    """``[{"key": k, "value": v}, ...]`` as a dictionary."""
    return {item["key"]: item["value"] for item in items}
