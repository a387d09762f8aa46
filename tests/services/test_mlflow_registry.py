"""MLflow's registry API over real HTTP and NATS: what its clients do, and what it must not let them do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.services.gateway_example import Api, Reply, running_gateway

from treering.domain.registered_model_messages import RenameRegisteredModel, ReserveName
from treering.kernel.subjects import Address
from treering.testing.nats import RunningNats

pytestmark = pytest.mark.anyio

API = "/api/2.0/mlflow"
RM, MV = f"{API}/registered-models", f"{API}/model-versions"
CLIMBS = "absolute path must be provided"
NOT_BELOW = "must identify the resource that contains the source"


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    async with running_gateway(nats_server) as running:
        await running.ask("POST", "/v1/workspaces/main/create")
        yield running


async def done(api: Api, method: str, path: str, body: Any = None) -> Any:
    answer = await api.ask(method, path, body)
    assert answer.status == 200, answer.body
    return answer.json


async def a_model(api: Api, name: str = "m", versions: int = 0) -> None:
    await done(api, "POST", f"{RM}/create", {"name": name})
    for number in range(versions):
        await done(api, "POST", f"{MV}/create", {"name": name, "source": f"s3://b/{number}"})


async def version(api: Api, name: str, number: int) -> dict[str, Any]:
    found: dict[str, Any] = (await done(api, "GET", f"{MV}/get?name={name}&version={number}"))["model_version"]
    return found


def refused(answer: Reply, status: int, code: str, words: str = "") -> None:
    assert (answer.status, answer.json["error_code"]) == (status, code), answer.body
    assert words in answer.json["message"]


async def test_a_version_is_what_was_said_of_it(api: Api) -> None:
    await a_model(api)
    tags = [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]
    run_id, _ = await a_run(api)
    asked = {"name": "m", "source": "s3://b/x", "run_id": run_id, "tags": tags, "description": "first"}
    made = await done(api, "POST", f"{MV}/create", asked)
    found = await version(api, "m", 1)
    assert made == {"model_version": found}
    assert found["run_id"] == run_id and found["status"] == "READY" and found["current_stage"] == "None"
    assert found["tags"] == [{"key": "a", "value": "2"}] and found["description"] == "first"
    assert (await done(api, "GET", f"{MV}/get-download-uri?name=m&version=1")) == {"artifact_uri": "s3://b/x"}
    [latest] = (await done(api, "GET", f"{RM}/get?name=m"))["registered_model"]["latest_versions"]
    assert latest == found


async def test_twenty_versions_at_once_have_twenty_numbers(api: Api) -> None:
    await a_model(api)
    asked = {"name": "m", "source": "s3://b/x"}
    made = await asyncio.gather(*(done(api, "POST", f"{MV}/create", asked) for _ in range(20)))
    assert sorted(int(one["model_version"]["version"]) for one in made) == list(range(1, 21))


async def test_the_number_of_a_deleted_version_is_given_again_only_to_another_model_of_the_name(api: Api) -> None:
    await a_model(api, versions=2)
    await done(api, "DELETE", f"{MV}/delete", {"name": "m", "version": "2"})
    refused(await api.ask("GET", f"{MV}/get?name=m&version=2"), 404, "RESOURCE_DOES_NOT_EXIST", "not found")
    made = await done(api, "POST", f"{MV}/create", {"name": "m", "source": "s3://b/x"})
    assert made["model_version"]["version"] == "3"
    await done(api, "DELETE", f"{RM}/delete", {"name": "m"})
    refused(await api.ask("GET", f"{MV}/get?name=m&version=1"), 404, "RESOURCE_DOES_NOT_EXIST")
    await a_model(api, versions=1)
    found = (await done(api, "GET", f"{MV}/search?filter=name%3D'm'"))["model_versions"]
    assert [one["version"] for one in found] == ["1"]


async def test_an_alias_points_at_one_version_and_goes_with_it(api: Api) -> None:
    await a_model(api, versions=2)
    for number in ("1", "2"):
        await done(api, "POST", f"{RM}/alias", {"name": "m", "alias": "champion", "version": number})
    found = await done(api, "GET", f"{RM}/alias?name=m&alias=champion")
    assert found["model_version"]["version"] == "2" and found["model_version"]["aliases"] == ["champion"]
    assert (await done(api, "GET", f"{RM}/alias?name=m&alias=LATEST"))["model_version"]["version"] == "2"
    await done(api, "DELETE", f"{MV}/delete", {"name": "m", "version": "2"})
    refused(await api.ask("GET", f"{RM}/alias?name=m&alias=champion"), 400, "INVALID_PARAMETER_VALUE", "not found")


async def test_an_alias_that_means_something_else_is_refused(api: Api) -> None:
    await a_model(api, versions=1)
    for alias, words in [("latest", "reserved"), ("v1", "reserved"), ("V22", "reserved"), ("a b", "Names may only")]:
        answer = await api.ask("POST", f"{RM}/alias", {"name": "m", "alias": alias, "version": "1"})
        refused(answer, 400, "INVALID_PARAMETER_VALUE", words)


async def test_a_stage_can_move_the_others_out_of_it(api: Api) -> None:
    await a_model(api, versions=2)
    for number in ("1", "2"):
        asked = {"name": "m", "version": number, "stage": "pRoDuCtIoN", "archive_existing_versions": True}
        await done(api, "POST", f"{MV}/transition-stage", asked)
    assert [(await version(api, "m", number))["current_stage"] for number in (1, 2)] == ["Archived", "Production"]
    bad = {"name": "m", "version": "1", "stage": "None", "archive_existing_versions": True}
    refused(await api.ask("POST", f"{MV}/transition-stage", bad), 400, "INVALID_PARAMETER_VALUE", "not an Active stage")


async def test_what_one_request_changes_has_one_time(api: Api) -> None:
    await a_model(api, versions=4)
    for number in ("1", "2", "3"):
        await done(api, "POST", f"{MV}/transition-stage", {"name": "m", "version": number, "stage": "Production"})
    last = {"name": "m", "version": "4", "stage": "Production", "archive_existing_versions": True}
    await done(api, "POST", f"{MV}/transition-stage", last)

    async def versions_and_times(name: str) -> tuple[list[str], set[int]]:
        found = (await done(api, "GET", f"{MV}/search?filter=name%3D'{name}'"))["model_versions"]
        model = (await done(api, "GET", f"{RM}/get?name={name}"))["registered_model"]
        times = {one["last_updated_timestamp"] for one in (model, *found)}
        return [one["version"] for one in found], times

    numbers, times = await versions_and_times("m")
    assert numbers == ["4", "3", "2", "1"] and len(times) == 1
    await done(api, "POST", f"{RM}/rename", {"name": "m", "new_name": "n"})
    numbers, times = await versions_and_times("n")
    assert numbers == ["4", "3", "2", "1"] and len(times) == 1


async def test_a_renamed_model_keeps_everything_but_its_name(api: Api) -> None:
    await a_model(api, "old name", versions=2)
    await done(api, "POST", f"{RM}/alias", {"name": "old name", "alias": "champion", "version": "1"})
    await done(api, "POST", f"{MV}/set-tag", {"name": "old name", "version": "1", "key": "a", "value": ""})
    before = await version(api, "old%20name", 1)
    await done(api, "POST", f"{RM}/rename", {"name": "old name", "new_name": "new name"})
    after = await version(api, "new%20name", 1)
    same = {"name", "last_updated_timestamp"}
    assert {key: value for key, value in after.items() if key not in same} == {
        key: value for key, value in before.items() if key not in same
    }
    refused(await api.ask("GET", f"{RM}/get?name=old%20name"), 404, "RESOURCE_DOES_NOT_EXIST")
    # The old name is free, and begins with 1; the new one is taken.
    await a_model(api, "old name", versions=1)
    assert (await version(api, "old%20name", 1))["source"] == "s3://b/0"
    taken = await api.ask("POST", f"{RM}/rename", {"name": "old name", "new_name": "new name"})
    refused(taken, 400, "RESOURCE_ALREADY_EXISTS", "already exists")
    made = await done(api, "POST", f"{MV}/create", {"name": "new name", "source": "s3://b/x"})
    assert made["model_version"]["version"] == "3"


async def test_a_name_that_looks_like_another_is_refused_before_anything_is_kept_for_it(api: Api) -> None:
    await a_model(api, "a")
    for path, body in {
        f"{RM}/create": {"name": "a "},
        f"{RM}/rename": {"name": "a", "new_name": "b\u200b"},
        "/api/2.0/mlflow/experiments/create": {"name": " a"},
        "/api/2.0/mlflow/experiments/update": {"experiment_id": "0", "new_name": "Default\u00a0"},
        "/api/2.0/mlflow/logged-models": {"experiment_id": "0", "name": "a\u202e"},
    }.items():
        before = await api.ask("GET", "/v1/events")
        refused(await api.ask("POST", path, body), 400, "INVALID_PARAMETER_VALUE", "is not allowed")
        after = await api.ask("GET", "/v1/events")
        assert (after.status, after.body) == (200, before.body), path


async def test_a_rename_that_was_broken_off_is_finished_when_it_is_said_again(api: Api) -> None:
    await a_model(api, "a", versions=1)
    # Given the new name reserved, and the old one let go: what a gateway that died then leaves.
    await api.send_as("gateway", Address("main", "registered_model", "b"), ReserveName("a"))
    written = await api.send_as("gateway", Address("main", "registered_model", "a"), RenameRegisteredModel("b"))
    await api.ask("GET", f"/v1/workspaces/main/registered_models/a?after={written.position}")
    taken = await api.ask("POST", f"{RM}/create", {"name": "b"})
    refused(taken, 400, "RESOURCE_ALREADY_EXISTS")
    # when it is asked for again,
    await done(api, "POST", f"{RM}/rename", {"name": "a", "new_name": "b"})
    # then it is done.
    assert (await version(api, "b", 1))["source"] == "s3://b/0"


async def test_prompts_are_models_that_searches_leave_out(api: Api) -> None:
    await a_model(api, "m")
    tag = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
    await done(api, "POST", f"{RM}/create", {"name": "p", "tags": tag})
    for filter, names in [("", ["m"]), ("tags.`mlflow.prompt.is_prompt` = 'true'", ["p"]), ("name = 'p'", [])]:
        found = await api.ask("GET", f"{RM}/search?filter={filter.replace(' ', '%20').replace('`', '%60')}")
        assert [one["name"] for one in found.json.get("registered_models", [])] == names
    answer = await api.ask("POST", f"{RM}/create", {"name": "p"})
    refused(answer, 400, "RESOURCE_ALREADY_EXISTS", "already taken by a prompt")


async def test_pages_follow_each_other_and_forged_tokens_are_refused(api: Api) -> None:
    for number in range(5):
        await a_model(api, f"m{number}")
    seen, token = [], ""
    while True:
        page = await done(api, "GET", f"{RM}/search?max_results=2&order_by=name%20DESC&page_token={token}")
        seen += [one["name"] for one in page["registered_models"]]
        token = page.get("next_page_token", "")
        if not token:
            break
    assert seen == ["m4", "m3", "m2", "m1", "m0"]
    for forged in ("evilhax", "e30%3D", "eyJvZmZzZXQiOi0xfQ%3D%3D"):
        refused(await api.ask("GET", f"{RM}/search?page_token={forged}"), 400, "INVALID_PARAMETER_VALUE", "page token")


async def a_run(api: Api) -> tuple[str, str]:
    made = await done(api, "POST", f"{API}/experiments/create", {"name": "e"})
    run = await done(api, "POST", f"{API}/runs/create", {"experiment_id": made["experiment_id"]})
    return run["run"]["info"]["run_id"], run["run"]["info"]["artifact_uri"]


async def test_a_source_is_below_what_its_run_owns(api: Api) -> None:
    await a_model(api)
    run_id, root = await a_run(api)
    for source in (root, f"{root}/model", f"runs:/{run_id}/model", "s3://b/x", "gs://b/a/b", f"{root}/a..b/..../"):
        await done(api, "POST", f"{MV}/create", {"name": "m", "source": source, "run_id": run_id})
    for source in (f"{root}x/model", "mlflow-artifacts:/other", "runs:/other/model", "mlflow-artifacts:/"):
        answer = await api.ask("POST", f"{MV}/create", {"name": "m", "source": source, "run_id": run_id})
        refused(answer, 400, "INVALID_PARAMETER_VALUE", "Invalid model version source")
    answer = await api.ask("POST", f"{MV}/create", {"name": "m", "source": f"runs:/{run_id}/model"})
    refused(answer, 400, "INVALID_PARAMETER_VALUE", NOT_BELOW)


@pytest.mark.parametrize("location", ["/srv/art", "file:///srv/art"])
async def test_a_path_of_a_machine_is_a_source_where_its_run_keeps_its_artifacts(api: Api, location: str) -> None:
    await a_model(api)
    asked = {"name": location, "artifact_location": location}
    experiment = (await done(api, "POST", f"{API}/experiments/create", asked))["experiment_id"]
    run = (await done(api, "POST", f"{API}/runs/create", {"experiment_id": experiment}))["run"]["info"]
    inside = f"/srv/art/{run['run_id']}/artifacts/net"
    for source in (inside, f"file://{inside}"):
        asked = {"name": "m", "source": source, "run_id": run["run_id"]}
        made = (await done(api, "POST", f"{MV}/create", asked))["model_version"]
        assert made["source"] == source and "not held by a digest" in made["status_message"]
    for source in ("/srv/art/other", "/srv/art", f"{inside}/../../../other", f"file://host{inside}", "net", "/"):
        answer = await api.ask("POST", f"{MV}/create", {"name": "m", "source": source, "run_id": run["run_id"]})
        refused(answer, 400, "INVALID_PARAMETER_VALUE")
    refused(await api.ask("POST", f"{MV}/create", {"name": "m", "source": inside}), 400, "INVALID_PARAMETER_VALUE")


ELSEWHERE = [
    ("/etc", "To use a local path"),
    ("file:///etc/", "To use a local path"),
    ("C:/windows", "To use a local path"),
    ("file://host/etc", "not a valid remote uri"),
    ("http://169.254.169.254/latest", "cannot use the 'http' scheme"),
    ("mlflow-artifacts://host/x", "cannot use the 'mlflow-artifacts' scheme"),
    ("s3://b/../x", CLIMBS),
    ("s3://b/..%2fx", CLIMBS),
    ("s3://b/%252e%252e/x", CLIMBS),
    ("s3://b/a\\..\\x", CLIMBS),
    ("dbfs:/r/a%3f/../../etc", CLIMBS),
    ("mlflow-artifacts:/1/../etc", CLIMBS),
    ("s3://b/x%00", CLIMBS),
    ("s3://[", "not a URI"),
    ("models://host/m/1", "models:/NAME/VERSION"),
    ("models:/a/b/c", "models:/NAME/VERSION"),
    ("s3://b/" + "x" * 3000, "exceeds the maximum length"),
]


async def test_a_source_that_leads_elsewhere_is_refused_whatever_its_tags(api: Api) -> None:
    await a_model(api)
    prompt = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
    for source, words in ELSEWHERE:
        answer = await api.ask("POST", f"{MV}/create", {"name": "m", "source": source})
        refused(answer, 400, "INVALID_PARAMETER_VALUE", words)
        answer = await api.ask("POST", f"{MV}/create", {"name": "m", "source": source, "tags": prompt})
        refused(answer, 400, "INVALID_PARAMETER_VALUE")


async def test_a_version_of_a_version_has_its_files_and_its_run(api: Api) -> None:
    await a_model(api, versions=1)
    made = await done(api, "POST", f"{MV}/create", {"name": "m", "source": "models:/m/1"})
    assert made["model_version"]["source"] == "models:/m/1"
    assert (await done(api, "GET", f"{MV}/get-download-uri?name=m&version=2")) == {"artifact_uri": "s3://b/0"}
    other = await api.ask("POST", f"{MV}/create", {"name": "m", "source": "models:/m/1", "run_id": "another"})
    refused(other, 400, "INVALID_PARAMETER_VALUE", "must match the referenced model version")


async def test_a_logged_model_becomes_a_version_and_says_so(api: Api) -> None:
    await a_model(api)
    experiment = (await done(api, "POST", f"{API}/experiments/create", {"name": "net"}))["experiment_id"]
    run_id, _ = await a_run(api)
    params = [{"key": "lr", "value": "1"}]
    asked = {"experiment_id": experiment, "name": "net", "source_run_id": run_id, "params": params}
    made = (await done(api, "POST", f"{API}/logged-models", asked))["model"]["info"]
    assert made["status"] == "LOGGED_MODEL_PENDING" and made["artifact_uri"].endswith(f"{made['model_id']}/artifacts")
    path = f"{API}/logged-models/{made['model_id']}"
    await done(api, "PATCH", path, {"status": "LOGGED_MODEL_READY"})
    version = {"name": "m", "source": f"models:/{made['model_id']}", "model_id": made["model_id"]}
    registered = await done(api, "POST", f"{MV}/create", version)
    assert registered["model_version"]["run_id"] == run_id
    found = (await done(api, "GET", path))["model"]
    assert found["info"]["status"] == "LOGGED_MODEL_READY" and found["data"]["params"] == [{"key": "lr", "value": "1"}]
    assert found["info"]["tags"] == [{"key": "mlflow.modelVersions", "value": '[{"name": "m", "version": 1}]'}]
    refused(
        await api.ask("POST", f"{path}/params", {"params": [{"key": "lr", "value": "2"}]}),
        400,
        "INVALID_PARAMETER_VALUE",
    )
    await done(api, "DELETE", path)
    refused(await api.ask("GET", path), 404, "RESOURCE_DOES_NOT_EXIST")
    assert (await done(api, "GET", f"{path}?allow_deleted=true"))["model"]["info"]["name"] == "net"


async def test_every_change_of_a_model_is_an_event_with_its_actor(api: Api) -> None:
    await a_model(api, versions=1)
    await done(api, "POST", f"{RM}/alias", {"name": "m", "alias": "champion", "version": "1"})
    events = await api.events("/v1/events?kind=registered_model&since=0", 3)
    assert [one["event"] for one in events] == [
        "registered_model.created", "registered_model.version_added", "registered_model.alias_assigned",
    ]  # fmt: skip
    assert all('"actor":"' in one["data"] for one in events)


BAD: list[tuple[str, str, Any]] = [
    ("POST", f"{RM}/create", {"name": "a/b"}),
    ("POST", f"{RM}/create", {"name": ".."}),
    ("POST", f"{RM}/create", {"name": "x" * 300}),
    ("POST", f"{RM}/create", {"name": 7}),
    ("POST", f"{RM}/create", {"name": "n", "tags": [{"key": "a\x00b", "value": ""}]}),
    ("POST", f"{RM}/create", {"name": "n", "tags": [{"key": "a", "value": "x" * 100_001}]}),
    ("POST", f"{RM}/create", b"[" * 100_000),
    ("GET", f"{MV}/get?name=m&version=x", None),
    ("GET", f"{MV}/search?max_results=200001", None),
    ("GET", f"{MV}/search?max_results=-1", None),
    ("GET", f"{MV}/search?filter=name%20%3E%20'a'", None),
    ("GET", f"{MV}/search?filter=version_number%20%3D%201.5", None),
    ("GET", f"{MV}/search?order_by=run_id", None),
    ("GET", f"{RM}/search?filter=run_id%20%3D%20'a'", None),
    ("GET", f"{RM}/search?filter=" + "(" * 2000, None),
]


async def test_bad_input_is_a_refusal_in_mlflows_shape(api: Api) -> None:
    for method, path, body in BAD:
        refused(await api.ask(method, path, body), 400, "INVALID_PARAMETER_VALUE")


async def test_the_models_of_a_run_are_also_those_of_the_runs_nested_in_it(api: Api) -> None:
    await a_model(api)
    experiment = (await done(api, "POST", f"{API}/experiments/create", {"name": "e"}))["experiment_id"]
    outer = (await done(api, "POST", f"{API}/runs/create", {"experiment_id": experiment}))["run"]["info"]["run_id"]
    tags = [{"key": "mlflow.parentRunId", "value": outer}]
    asked = {"experiment_id": experiment, "tags": tags}
    inner = (await done(api, "POST", f"{API}/runs/create", asked))["run"]["info"]["run_id"]
    for run_id in (inner, outer):
        await done(api, "POST", f"{MV}/create", {"name": "m", "source": f"runs:/{run_id}/model", "run_id": run_id})
    for run_id, names in [(outer, ["m:1", "m:2"]), (inner, ["m:1"])]:
        found = await done(api, "GET", f"/v1/workspaces/main/runs/{run_id}/models")
        assert [one["name"] for one in found["items"]] == names
    lineage = await done(api, "GET", "/v1/workspaces/main/models/m:1/lineage")
    assert (lineage["run"]["run_id"], lineage["run"]["parents"]) == (inner, [outer])


async def test_a_jobs_token_registers_models_in_its_workspace(api: Api) -> None:
    token = api.tokens.mint_job(await api.held("trainer"), 1)
    for method, path, body in [
        ("POST", f"{RM}/create", {"name": "made"}),
        ("POST", f"{MV}/create", {"name": "made", "source": "runs:/trainer/model", "run_id": "trainer"}),
        ("POST", f"{MV}/set-tag", {"name": "made", "version": "1", "key": "by", "value": "job"}),
        ("POST", f"{RM}/alias", {"name": "made", "version": "1", "alias": "best"}),
    ]:
        answer = await api.ask(method, path, body, token=token)
        assert answer.status == 200, answer.body
    asked = {"experiment_id": "0", "tags": [{"key": "a/b", "value": "c"}]}
    made = await api.ask("POST", f"{API}/logged-models", asked, token=token)
    model_id = made.json["model"]["info"]["model_id"]
    gone = await api.ask("DELETE", f"{API}/logged-models/{model_id}/tags/a/b", token=token)
    assert gone.status == 200, gone.body
    found = await api.ask("GET", "/v1/workspaces/w/models/made:1")
    assert found.json["created_by"] == "job:trainer"
    lineage = (await api.ask("GET", "/v1/workspaces/w/models/made:1/lineage")).json
    assert lineage["job"]["name"] == "trainer"


async def test_a_model_registered_again_begins_with_1_and_the_record_tells_the_two_apart(api: Api) -> None:
    await a_model(api, versions=3)
    await done(api, "POST", f"{RM}/alias", {"name": "m", "alias": "champion", "version": "2"})
    before = (await api.ask("GET", "/v1/workspaces/main/models/m:1")).json
    await done(api, "DELETE", f"{RM}/delete", {"name": "m"})
    await done(api, "POST", f"{RM}/create", {"name": "m"})
    made = await done(api, "POST", f"{MV}/create", {"name": "m", "source": "s3://b/later"})
    assert made["model_version"]["version"] == "1"
    assert (await version(api, "m", 1))["source"] == "s3://b/later"
    refused(await api.ask("GET", f"{MV}/get?name=m&version=2"), 404, "RESOURCE_DOES_NOT_EXIST")
    refused(await api.ask("GET", f"{RM}/alias?name=m&alias=champion"), 400, "INVALID_PARAMETER_VALUE")
    shown = (await api.ask("GET", "/v1/workspaces/main/models/m:1")).json
    assert shown["state"]["spec"]["generation"] == 2 and shown["created_at"] > before["created_at"]
    earlier = await api.ask("POST", "/v1/workspaces/main/models/m:2/restore")
    assert (earlier.status, earlier.json["code"]) == (409, "model.earlier")
    await done(api, "DELETE", f"{RM}/delete", {"name": "m"})
    assert (await api.ask("POST", "/v1/workspaces/main/registered_models/m/restore")).status == 200
    found = (await done(api, "GET", f"{MV}/search?filter=name%3D'm'"))["model_versions"]
    assert [one["source"] for one in found] == ["s3://b/later"]


async def test_a_model_renamed_to_a_name_that_was_deleted_brings_its_own_versions(api: Api) -> None:
    await a_model(api, versions=3)
    await done(api, "DELETE", f"{RM}/delete", {"name": "m"})
    await a_model(api, "n", versions=1)
    await done(api, "POST", f"{RM}/rename", {"name": "n", "new_name": "m"})
    for number in ("2", "3"):
        made = await done(api, "POST", f"{MV}/create", {"name": "m", "source": "s3://b/x"})
        assert made["model_version"]["version"] == number
