"""A name of a compute target that stands for another: jobs that name it run there, and say so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.services.gateway_example import SPEC, WS, Api, running_gateway

from treering.testing.nats import RunningNats

pytestmark = pytest.mark.anyio


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    async with running_gateway(nats_server) as running:
        yield running


async def alias(api: Api, name: str, target: str) -> str:
    """The code of the refusal, "" when there was none."""
    return (await api.ask("POST", f"{WS}/computes/{name}/alias", {"target": target})).code


async def job(api: Api, compute: str) -> Any:
    return await api.ask("POST", f"{WS}/jobs", {"spec": {**SPEC, "compute": compute}})


async def test_a_job_that_names_an_alias_runs_on_its_target_and_says_so(api: Api) -> None:
    assert await alias(api, "cpu-cluster", "local") == ""
    spec = (await job(api, "cpu-cluster")).json["state"]["spec"]
    assert spec.get("compute", "local") == "local"
    assert spec["notes"] == ["compute 'cpu-cluster' is an alias here: the job runs on 'local'"]
    assert (await job(api, "local")).json["state"]["spec"].get("notes", []) == []


async def test_an_absent_target_is_refused_with_the_alias_that_would_help(api: Api) -> None:
    answer = await job(api, "cpu-cluster")
    assert (answer.status, answer.code) == (404, "compute.absent")
    assert "treering compute alias cpu-cluster local" in answer.json["detail"]


async def test_an_alias_stands_for_a_target_that_is_there_and_never_for_an_alias(api: Api) -> None:
    await api.ask("POST", f"{WS}/computes/gpu/create", {})
    assert await alias(api, "a", "nowhere") == "compute.absent"
    assert await alias(api, "a", "a") == "compute.alias_circle"
    assert await alias(api, "a", "../x") == "name.invalid"
    assert await alias(api, "gpu", "local") == "compute.exists"
    assert await alias(api, "a", "local") == ""
    assert await alias(api, "b", "a") == "compute.alias_chain"
    assert await alias(api, "a", "gpu") == ""  # it may stand for another one
    await api.ask("POST", f"{WS}/computes/gpu/delete", {})
    assert await alias(api, "gpu", "local") == "compute.alias_chain"
    said = await job(api, "a")
    assert said.code == "compute.absent" and "'gpu', which is no active compute target any more" in said.json["detail"]


async def test_a_name_that_is_no_alias_any_more_is_no_target(api: Api) -> None:
    await alias(api, "a", "local")
    assert (await api.ask("POST", f"{WS}/computes/a/create", {})).code == "compute.exists"
    await api.ask("POST", f"{WS}/computes/a/delete", {})
    assert (await job(api, "a")).code == "compute.absent"
    assert (await api.ask("POST", f"{WS}/computes/a/create", {})).status in (200, 201)
    assert (await job(api, "a")).json["state"]["spec"]["compute"] == "a"


async def test_a_target_that_was_deleted_is_told_so_and_never_offered_an_alias(api: Api) -> None:
    await api.ask("POST", f"{WS}/computes/local/delete", {})
    said = await job(api, "local")
    assert (said.status, said.code) == (404, "compute.absent")
    assert "was deleted at" in said.json["detail"] and "alias" not in said.json["detail"]
    assert "`treering compute create -n local -t local` makes it again" in said.json["detail"]
    await api.ask("POST", f"{WS}/computes/local/create", {"compute_type": "local"})
    assert (await job(api, "local")).status == 201
