"""A version that is created again, as `az ml` does it: its description and tags change, what it is made of never."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from tests.services.gateway_example import Api, Reply, running_gateway

from treering.adapters.trees import Manifest, TreeFile
from treering.kernel.blobs import digest_of
from treering.testing.nats import RunningNats

pytestmark = pytest.mark.anyio
WS = "/v1/workspaces/main"
SECRET = "canary-11aa"


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    async with running_gateway(nats_server) as running:
        await running.ask("POST", f"{WS}/create")
        yield running


async def state(api: Api, path: str, after: Reply) -> Any:
    return (await api.ask("GET", f"{WS}/{path}?after={after.json['position']}")).json["state"]


async def a_tree(api: Api, content: bytes) -> str:
    digest = digest_of(content)
    await api.ask("PUT", f"/v1/blobs/{digest}", content)
    manifest = msgspec.json.encode(Manifest((TreeFile("w.bin", len(content), digest, False),)))
    await api.ask("PUT", f"/v1/blobs/{digest_of(manifest)}", manifest)
    return digest_of(manifest)


async def test_the_texts_of_an_environment_change_and_its_secrets_stay_as_they_are(api: Api) -> None:
    spec = {"python": "3.11", "variables": {"DB_PASSWORD": SECRET}}
    new = {"name": "e", "version": "1", "spec": spec}
    first = await api.ask("POST", f"{WS}/environments", {**new, "tags": {"a": "1"}})
    sealed = (await state(api, "environments/e:1", first))["spec"]["sealed"]
    again = await api.ask("POST", f"{WS}/environments", {**new, "description": "ours", "tags": {"b": "2"}})
    assert (first.json["changed"], again.json["changed"], again.status) == (True, True, 200)
    found = await state(api, "environments/e:1", again)
    assert (found["description"], found["tags"], found["spec"]["sealed"]) == ("ours", {"a": "1", "b": "2"}, sealed)
    assert len([path for path in (api.home.keys / "values").glob("*.sealed") if path.stem != "mac"]) == 1
    other = await api.ask("POST", f"{WS}/environments", {**new, "spec": {"python": "3.12"}, "tags": {"c": "3"}})
    assert (other.status, other.code) == (409, "environment.exists")


async def test_an_environment_is_updated_by_name(api: Api) -> None:
    await api.ask("POST", f"{WS}/environments", {"name": "u", "spec": {"python": "3.11"}, "tags": {"a": "1"}})
    answer = await api.ask("POST", f"{WS}/environments/u:1/update", {"tags": {"b": "2"}})
    assert answer.status == 200
    assert (await state(api, "environments/u:1", answer))["tags"] == {"b": "2"}


@pytest.mark.parametrize("version", ["3", "2024-01-01"])
async def test_the_texts_of_a_model_change_and_its_files_do_not(api: Api, version: str) -> None:
    new = {"name": f"m{version}", "version": version, "digest": await a_tree(api, b"w")}
    first = await api.ask("POST", f"{WS}/models", {**new, "tags": {"a": "1"}})
    again = await api.ask("POST", f"{WS}/models", {**new, "description": "ours", "tags": {"b": "2"}})
    assert (again.status, again.json["name"]) == (200, first.json["name"])
    found = await state(api, f"models/{first.json['name']}", again)
    assert (found["description"], found["tags"]) == ("ours", {"a": "1", "b": "2"})
    other = await api.ask("POST", f"{WS}/models", {**new, "digest": await a_tree(api, b"x")})
    assert (other.status, other.code) == (409, "model.exists")
