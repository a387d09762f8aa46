"""Who follows a link that MLflow's client prints, or comes without a token, is told what to do."""

from __future__ import annotations

import pytest
from tests.services.gateway_example import Api


@pytest.mark.parametrize(("path", "command"), [("/", "treering run show RUN"), ("/w/w/", "treering run show -w w RUN")])
async def test_a_browser_is_told_how_to_see_the_run(shared_api: Api, path: str, command: str) -> None:
    accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    reply = await shared_api.ask("GET", path, headers={"accept": accept}, token="")
    assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert command in reply.body.decode() and "no web pages yet" in reply.body.decode()
    assert reply.headers["content-security-policy"] == "default-src 'none'"


async def test_a_program_is_told_the_same_as_json(shared_api: Api) -> None:
    reply = await shared_api.ask("GET", "/", token="")
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert "treering job show JOB" in reply.json["see"] and "no web pages yet" in reply.json["detail"]


@pytest.mark.parametrize("token", ["", "wrong"])
async def test_who_has_no_token_is_told_where_it_is_and_how_mlflow_sends_it(shared_api: Api, token: str) -> None:
    reply = await shared_api.ask("GET", "/api/2.0/mlflow/runs/get?run_id=a", token=token)
    assert (reply.status, reply.json["error_code"]) == (401, "UNAUTHENTICATED")
    assert "MLFLOW_TRACKING_TOKEN=$(cat ~/.treering/token)" in reply.json["message"]
