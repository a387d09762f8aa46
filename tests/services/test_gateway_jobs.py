"""Jobs, environments and blobs over HTTP."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.services.gateway_example import SPEC, WS, Api, running_gateway

from treering.domain.job_messages import SubmitJob
from treering.domain.job_spec import EnvironmentSpec, JobSpec
from treering.kernel.blobs import digest_of
from treering.kernel.subjects import Address
from treering.testing.nats import RunningNats

pytestmark = pytest.mark.anyio
ABSENT = digest_of(b"nobody stored this")
BLOB = bytes(range(256)) * 20_000


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    async with running_gateway(nats_server) as running:
        yield running


def changed(**fields: Any) -> dict[str, Any]:
    return {"name": "j", "spec": {**SPEC, **fields}}


async def test_a_submitted_job_is_shown_in_the_answer_and_has_its_experiment(api: Api) -> None:
    answer = await api.ask("POST", f"{WS}/jobs", changed(experiment="mnist", tags={"a": "b"}))
    again = await api.ask("GET", answer.headers["location"])
    experiment = await api.ask("GET", f"{WS}/experiments/mnist")
    assert answer.status == 201 and answer.json["status"] == "Queued" and answer.json["parent"] == "mnist"
    assert again.json == answer.json and experiment.status == 200


async def test_an_archived_experiment_takes_no_jobs_until_it_is_restored(api: Api) -> None:
    await api.submitted("before", experiment="old")
    for command, status, code in [("archive", 409, "experiment.not_active"), ("restore", 201, "")]:
        assert (await api.ask("POST", f"{WS}/experiments/old/{command}", {})).status == 200
        answer = await api.ask("POST", f"{WS}/jobs", {"name": command, "spec": {**SPEC, "experiment": "old"}})
        assert (answer.status, answer.code) == (status, code), answer.body


async def test_a_job_without_a_name_gets_one_and_a_retry_finds_it(api: Api) -> None:
    key = {"idempotency-key": "once"}
    first = await api.ask("POST", f"{WS}/jobs", {"spec": SPEC}, key)
    again = await api.ask("POST", f"{WS}/jobs", {"spec": SPEC}, key)
    other = await api.ask("POST", f"{WS}/jobs", {"spec": SPEC})
    assert re.fullmatch(r"[a-z]+_[a-z]+_[0-9a-f]{8}", first.json["name"])
    assert (first.status, again.status) == (201, 200) and again.json["name"] == first.json["name"]
    assert other.json["name"] != first.json["name"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (changed(compute="gpu"), 404, "compute.absent"),
        (changed(instance_count=2), 400, "job.instance_count"),
        (changed(code=ABSENT), 400, "blob.missing"),
        (changed(inputs={"d": {"type": "uri_file", "path": "x", "digest": ABSENT}}), 400, "blob.missing"),
        (changed(code="../../etc/passwd"), 400, "blob.digest_invalid"),
        (changed(environment="azureml:none:1"), 404, "environment.absent"),
        (changed(environment="azureml:none@latest"), 404, "environment.absent"),
        (
            changed(environment="azureml://registries/azureml/environments/e/versions/1"),
            400,
            "environment.image_unknown",
        ),
        (changed(environment="nvcr.io/nvidia/pytorch:24.01-py3"), 400, "environment.image_unknown"),
        (changed(environment="http://evil/x"), 400, "environment.reference"),
        (changed(environment={"indexes": ["https://feed.example/s"]}), 403, "environment.index_forbidden"),
        (changed(environment={"indexes": ["https://me:pw@feed.example/s"]}), 400, "job.secret_in_text"),
        (changed(environment={"indexes": ["ftp://feed.example/s"]}), 400, "environment.index"),
        (changed(environment={"modules": ["../up"]}), 400, "path.unsafe"),
        (changed(command=" "), 400, "job.command"),
        (changed(command="echo a\0b"), 400, "job.command"),
        (changed(command="echo ${{inputs.nope}}"), 400, "expression.dangling"),
        (changed(command="echo ${{inputs.a"), 400, "expression.malformed"),
        (changed(environment_variables={"A": "${{outputs.nope}}"}), 400, "expression.dangling"),
        (changed(inputs={"a": {"type": "string", "value": "${{inputs.a}}"}}), 400, "expression.misplaced"),
        (changed(inputs={"../a": {"type": "string", "value": "x"}}), 400, "name.invalid"),
        (changed(inputs={"a": {"type": "uri_file", "path": "s3://b/k"}}), 400, "input.unsupported"),
        (changed(inputs={"a": {"type": "uri_folder", "path": "https://h/p"}}), 400, "input.unsupported"),
        (changed(inputs={"a": {"type": "string", "value": "a\0b"}}), 400, "job.nul"),
        (changed(outputs={"a": {"path": "/mnt/results"}}), 400, "output.path"),
        (changed(outputs={"a/../b": {}}), 400, "name.invalid"),
        (changed(timeout_seconds=0), 400, "job.timeout"),
        (changed(environment_variables={"A=B": "x"}), 400, "job.variable"),
        (changed(environment_variables={"A": "x\0"}), 400, "job.variable"),
        (changed(environment={"requirements": ["-r /etc/passwd"]}), 400, "environment.requirement"),
        (changed(environment={"requirements": ["a @ file:///etc"]}), 400, "environment.requirement"),
        (changed(environment={"python": "--evil"}), 400, "environment.python_invalid"),
        (changed(colour="red"), 400, "request.malformed"),
        (changed(experiment="../x"), 400, "name.invalid"),
        ({"name": "../x", "spec": SPEC}, 400, "name.invalid"),
        ({"name": "j"}, 400, "request.malformed"),
        ({"name": "j", "spec": {"environment": {}}}, 400, "request.malformed"),
    ],
)
async def test_a_job_that_could_not_run_is_refused_and_leaves_nothing(
    shared_api: Api, body: dict[str, Any], status: int, code: str
) -> None:
    answer = await shared_api.ask("POST", f"{WS}/jobs", body)
    assert (answer.status, answer.code) == (status, code)
    assert (await shared_api.ask("GET", f"{WS}/jobs")).json["items"] == []


async def test_a_job_with_a_name_that_is_taken_is_refused_unless_it_is_the_same(api: Api) -> None:
    await api.ask("POST", f"{WS}/jobs", changed())
    same = await api.ask("POST", f"{WS}/jobs", changed())
    other = await api.ask("POST", f"{WS}/jobs", changed(command="false"))
    assert same.status == 200 and (other.status, other.code) == (409, "job.exists")


async def test_the_jobs_that_another_submitted_are_its_children(api: Api) -> None:
    await api.submitted("parent")
    await api.submitted("nested", tags={"mlflow.parentRunId": "parent"})
    await api.submitted("other", tags={"of": "parent", "a.b": "1"})
    by_script = SubmitJob(JobSpec("true", EnvironmentSpec()), "parent")
    written = await api.send_as("gateway", Address("w", "job", "child"), by_script)
    for query, names in (
        ("of_job=parent", ["child", "nested"]),
        ("of_job=child", []),
        ("tag=of", ["other"]),
        ("tag=a.b=1", ["other"]),
        ("tag=of=somebody", []),
    ):
        found = (await api.ask("GET", f"{WS}/jobs?{query}&after={written.position}")).json["items"]
        assert [one["name"] for one in found] == names, query
    assert (await api.ask("GET", f"{WS}/jobs?of_job=none")).code == "job.absent"
    assert (await api.ask("GET", f"{WS}/jobs?tag=a&at=3")).code == "query.at"


async def test_a_reference_means_the_version_label_or_latest_of_an_environment(api: Api) -> None:
    for python, tags in (("3.9", {"stable": "yes"}), ("3.10", {}), ("3.11", {})):
        made = await api.ask("POST", f"{WS}/environments", {"name": "e", "spec": {"python": python}, "tags": tags})
        assert made.status == 201
    await api.ask("POST", f"{WS}/environments/e:3/archive")
    for reference, python, source in (
        ("azureml:e:1", "3.9", "azureml:e:1"),
        ("azureml:e:3", "3.11", "azureml:e:3"),
        ("azureml:e@latest", "3.10", "azureml:e:2"),
        ("azureml:e@stable", "3.9", "azureml:e:1"),
    ):
        job = await api.ask("POST", f"{WS}/jobs", {"spec": {**SPEC, "environment": reference}})
        assert job.json["state"]["spec"]["environment"] == {"python": python, "source": source}


async def test_environments_created_at_the_same_time_get_versions_of_their_own(api: Api) -> None:
    made = await asyncio.gather(
        *(api.ask("POST", f"{WS}/environments", {"name": "e", "spec": {"python": f"3.{minor}"}}) for minor in range(5))
    )
    assert sorted(one.json["name"] for one in made) == [f"e:{version}" for version in range(1, 6)]


async def test_an_environment_asked_for_again_with_the_same_key_is_the_same_version(api: Api) -> None:
    body = {"name": "e", "spec": {"python": "3.11"}}
    first = await api.ask("POST", f"{WS}/environments", body, {"idempotency-key": "k"})
    again = await api.ask("POST", f"{WS}/environments", body, {"idempotency-key": "k"})
    named = await api.ask("POST", f"{WS}/environments", {**body, "version": "1"})
    clash = await api.ask("POST", f"{WS}/environments", {**body, "version": "1", "spec": {"python": "2"}})
    assert first.json["name"] == again.json["name"] == named.json["name"] == "e:1"
    assert (clash.status, clash.code) == (409, "environment.exists")


async def test_a_blob_goes_in_and_comes_out_whole_or_from_a_byte_on(api: Api) -> None:
    digest = digest_of(BLOB)
    path = f"/v1/blobs/{digest}"
    assert (await api.ask("POST", "/v1/blobs/missing", {"digests": [digest]})).json == {"missing": [digest]}
    assert (await api.ask("GET", path)).code == "blob.absent"
    assert (await api.ask("PUT", path, BLOB, {"content-type": "application/octet-stream"})).status == 201
    whole, part = await api.ask("GET", path), await api.ask("GET", path, headers={"range": "bytes=5000000-"})
    head = await api.ask("HEAD", path)
    assert whole.body == BLOB and whole.headers["content-security-policy"] == "sandbox"
    assert part.status == 206 and part.body == BLOB[5_000_000:]
    assert part.headers["content-range"] == f"bytes 5000000-{len(BLOB) - 1}/{len(BLOB)}"
    assert head.headers["content-length"] == str(len(BLOB)) and head.body == b""
    assert (await api.ask("GET", path, headers={"range": f"bytes={len(BLOB)}-"})).status == 416
    assert (await api.ask("POST", "/v1/blobs/missing", {"digests": [digest]})).json == {"missing": []}


async def test_a_blob_that_is_not_what_it_says_is_not_stored(api: Api) -> None:
    answer = await api.ask("PUT", f"/v1/blobs/{ABSENT}", b"something else")
    assert (answer.status, answer.code) == (400, "blob.digest_mismatch")
    assert (await api.ask("HEAD", f"/v1/blobs/{ABSENT}")).status == 404
    assert list(api.home.blobs.rglob("*.part")) == [] and list((api.home.blobs / "incoming").iterdir()) == []


async def test_an_upload_that_breaks_off_leaves_nothing(api: Api) -> None:
    def break_off() -> None:
        with api.connection() as connection:
            connection.putrequest("PUT", f"/v1/blobs/{digest_of(BLOB)}")
            connection.putheader("authorization", f"Bearer {api.tokens.owner}")
            connection.putheader("content-length", str(len(BLOB)))
            connection.endheaders()
            connection.send(BLOB[:1000])

    await asyncio.to_thread(break_off)
    assert (await api.ask("GET", "/v1/status")).status == 200
    assert (await api.ask("HEAD", f"/v1/blobs/{digest_of(BLOB)}")).status == 404


@pytest.mark.parametrize("digest", ["..%2f..%2fetc%2fpasswd", "sha256:..", "sha256:" + "A" * 64, "a;%2f..%2fx"])
async def test_a_digest_cannot_name_a_file(api: Api, digest: str) -> None:
    for method in ("GET", "PUT"):
        assert (await api.ask(method, f"/v1/blobs/{digest}", b"x" if method == "PUT" else None)).status in (400, 404)


async def test_a_curated_environment_of_azure_is_found_by_its_name_in_a_workspace(api: Api) -> None:
    old = "azureml:AzureML-sklearn-1.0-ubuntu20.04-py38-cpu@latest"
    spec = (await api.ask("POST", f"{WS}/jobs", changed(environment=old))).json["state"]["spec"]
    assert spec["environment"]["source"] == old and "scikit-learn" in spec["environment"]["requirements"][0]
    assert ["no scikit-learn 1.0 for Python 3.11" in note for note in spec["notes"]] == [True]


async def test_an_environment_of_the_workspace_stands_before_a_curated_one_of_its_name(api: Api) -> None:
    mine = {"name": "AzureML-sklearn-1.5", "version": "1", "spec": {"requirements": ["numpy"]}}
    assert (await api.ask("POST", f"{WS}/environments", mine)).status == 201
    answer = await api.ask("POST", f"{WS}/jobs", changed(environment="azureml:AzureML-sklearn-1.5@latest"))
    spec = answer.json["state"]["spec"]
    assert spec["environment"]["requirements"] == ["numpy"] and "notes" not in spec


async def test_only_listed_package_indexes_may_be_named(
    nats_server: RunningNats, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed, other = "https://feed.example/simple", "https://other.example/simple"
    monkeypatch.setenv("TREERING_INDEXES", f"corp={listed}/")
    async with running_gateway(nats_server) as api:
        for name, url, status in (("a", listed, 201), ("b", other, 403)):
            environment = {"name": name, "spec": {"requirements": ["numpy"], "indexes": [url]}}
            answer = await api.ask("POST", f"{WS}/environments", environment)
            assert answer.status == status, answer.body
        assert answer.code == "environment.index_forbidden" and listed in str(answer.json)
        submitted = await api.ask("POST", f"{WS}/jobs", changed(environment="azureml:a:1"))
        assert submitted.json["state"]["spec"]["environment"]["indexes"] == [listed]


async def test_a_boolean_that_came_as_json_is_said_to_the_command_and_the_run_as_azure_ml_says_it(api: Api) -> None:
    inputs = {
        "json": {"type": "boolean", "value": True},
        "text": {"type": "boolean", "value": "false"},
        "set": {"type": "boolean", "value": True, "written": "true"},
        "word": {"type": "string", "value": "true"},
    }
    answer = await api.ask("POST", f"{WS}/jobs", changed(inputs=inputs))
    assert answer.status == 201, answer.body
    run = await api.ask("GET", "/w/w/api/2.0/mlflow/runs/get?run_id=j")
    said = {one["key"]: one["value"] for one in run.json["run"]["data"]["params"]}
    assert said == {"json": "True", "text": "False", "set": "true", "word": "true"}
