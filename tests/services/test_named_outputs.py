"""Outputs of jobs with a name become models when the jobs have completed: once, whatever dies in between."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from tests.services.gateway_example import SPEC, WS, Api, running_gateway

from treering.adapters.jetstream_log import JetStreamLog
from treering.domain.job_messages import CompleteJob, FailJob, OutputData, RegisterOutput
from treering.domain.model import CreateModel, ModelSpec
from treering.domain.registered_model_messages import AddVersion, CreateRegisteredModel
from treering.kernel.subjects import Address
from treering.testing.nats import RunningNats

pytestmark = pytest.mark.anyio

NET = {"net": {"type": "custom_model", "name": "taxi"}}
PATH = "azureml://jobs/{}/outputs/net"


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    async with running_gateway(nats_server) as running:
        yield running


async def running(api: Api, name: str, outputs: dict[str, Any] = NET) -> Address:
    answer = await api.ask("POST", f"{WS}/jobs", {"name": name, "spec": {**SPEC, "outputs": outputs}})
    assert answer.status == 201, answer.body
    return await api.started(Address("w", "job", name))


async def completed(api: Api, name: str, outputs: dict[str, Any] = NET, **left: OutputData) -> None:
    await api.send_as("executor", await running(api, name, outputs), CompleteJob(1, "n1", left))


async def created(api: Api, count: int) -> list[tuple[str, dict[str, Any]]]:
    """The first versions of models there are, by key, as soon as there are so many."""
    events = await api.events("/v1/events?type=model.created&since=0", count)
    said = [msgspec.json.decode(one["data"]) for one in events]
    return [(one["subject"].rpartition("/")[2], one) for one in said]


async def shown(api: Api, path: str) -> Any:
    return (await api.ask("GET", f"{WS}/{path}?after={await api.reader.projector.log.head()}")).json


async def registered(api: Api, job: str) -> Any:
    return (await shown(api, f"jobs/{job}"))["state"].get("registered", {})


async def said(api: Api, type: str) -> Any:
    """The data of the first event of a type, as soon as there is one."""
    [event] = await api.events(f"/v1/events?type={type}&since=0", 1)
    return msgspec.json.decode(event["data"])["data"]


async def test_a_named_output_is_the_next_version_and_says_because_of_what(api: Api) -> None:
    weights = await api.put_tree(w=b"weights")
    for name in ("one", "two"):
        await completed(api, name, net=weights)
    found = await created(api, 2)
    assert [key for key, _ in found] == ["taxi:1", "taxi:2"]
    assert (await registered(api, "two")) == {"net": {"model": "taxi", "version": 2}}
    version = await shown(api, "models/taxi:2")
    assert (version["created_by"], version["state"]["spec"]["digest"]) == ("job:two", weights.digest)
    lineage = (await api.ask("GET", f"{WS}/models/taxi:2/lineage")).json
    assert (lineage["job"]["name"], lineage["source"]) == ("two", PATH.format("two"))
    events = [msgspec.json.decode(one["data"]) for one in await api.events("/v1/events?type=job.completed&since=0", 2)]
    [position] = [one["position"] for one in events if one["subject"].endswith("job/two")]
    completion = await JetStreamLog(api.clients["gateway"]).at(position)
    assert completion is not None and found[1][1]["cause"] == completion.commit().id


async def test_a_version_that_is_named_is_the_one_and_what_is_taken_stays_what_it_is(api: Api) -> None:
    weights, other = await api.put_tree(w=b"weights"), await api.put_tree(w=b"other")
    outputs = {"net": {**NET["net"], "version": "7"}}
    await completed(api, "first", outputs, net=weights)
    await completed(api, "second", outputs, net=other)
    failed = await said(api, "job.registration_failed")
    assert (failed["output"], failed["code"]) == ("net", "model.exists")
    assert (await shown(api, "models/taxi:7"))["state"]["spec"]["digest"] == weights.digest
    assert (await registered(api, "second"))["net"]["code"] == "model.exists"


@pytest.mark.parametrize(
    ("files", "type", "code"),
    [({}, "custom_model", "model.empty"), ({"w": b"x"}, "mlflow_model", "model.mlmodel")],
)
async def test_what_is_no_model_is_not_registered_and_the_job_says_why(
    api: Api, files: dict[str, bytes], type: str, code: str
) -> None:
    await completed(api, "j", {"net": {"type": type, "name": "taxi"}}, net=await api.put_tree(**files))
    assert (await said(api, "job.registration_failed"))["code"] == code
    assert (await registered(api, "j"))["net"]["code"] == code
    assert (await api.ask("GET", f"{WS}/registered_models/taxi")).status == 404


async def test_only_models_of_jobs_that_completed_are_registered(api: Api) -> None:
    weights = await api.put_tree(w=b"weights")
    failed = await running(api, "failed")
    await api.send_as("executor", failed, FailJob(1, "n1", "exit_code", "it failed", 1, {"net": weights}))
    await completed(api, "data", {"net": {"type": "uri_folder", "name": "taxi"}}, net=weights)
    await completed(api, "unnamed", {"net": {"type": "custom_model"}}, net=weights)
    await completed(api, "good", net=weights)
    assert [key for key, _ in await created(api, 1)] == ["taxi:1"]
    for name, known in [
        ("failed", {}),
        ("data", {}),
        ("unnamed", {}),
        ("good", {"net": {"model": "taxi", "version": 1}}),
    ]:
        assert await registered(api, name) == known


async def test_who_completed_first_is_registered_first_however_late_it_is_done(api: Api) -> None:
    weights = await api.put_tree(w=b"weights")
    names = ["f", "b", "e", "a", "d", "c"]
    jobs = [await running(api, name) for name in names]
    await api.service.stop()
    for job in jobs:
        await api.send_as("executor", job, CompleteJob(1, "n1", {"net": weights}))
    await api.gateway_again()
    await created(api, len(names))
    assert [(await registered(api, name))["net"]["version"] for name in names] == [1, 2, 3, 4, 5, 6]


STEPS = ("nothing", "the model", "a number", "the number on the job", "the version")


@pytest.mark.parametrize("done", range(len(STEPS)), ids=STEPS)
async def test_whatever_had_been_done_when_the_gateway_died_it_is_registered_once(api: Api, done: int) -> None:
    weights = await api.put_tree(w=b"weights")
    job = await running(api, "j")
    await api.service.stop()
    await api.send_as("executor", job, CompleteJob(1, "n1", {"net": weights}))
    model = Address("w", "registered_model", "taxi")
    spec = ModelSpec(
        "taxi", 1, source := f"mlflow-artifacts:/trees/{weights.digest.removeprefix('sha256:')}", source,
        "custom_model", weights.digest, "j", path=PATH.format("j"),
    )  # fmt: skip
    steps = [
        (model, CreateRegisteredModel("taxi")), (model, AddVersion(1, next=True, request="another gateway's")),
        (job, RegisterOutput("net", "taxi", 1)), (Address("w", "model", "taxi:1"), CreateModel(spec)),
    ]  # fmt: skip
    for address, command in steps[:done]:
        await api.send_as("gateway", address, command)
    await api.gateway_again()
    await completed(api, "later", net=weights)  # they are registered one after the other
    (first, _), (second, _) = await created(api, 2)
    number = 2 if STEPS[done] == "a number" else 1  # one that was taken and not used stays unused
    assert (first, second) == (f"taxi:{number}", f"taxi:{number + 1}")
    assert await registered(api, "j") == {"net": {"model": "taxi", "version": number}}
    await api.gateway_again()
    await completed(api, "last", net=weights)
    assert [key for key, _ in await created(api, 3)][2] == f"taxi:{number + 2}"


@pytest.mark.parametrize(
    ("output", "code"),
    [({"name": "../x"}, "name.invalid"), ({"name": "m", "version": "a/b"}, "output.version"),
     ({"name": "m", "version": "0"}, "output.version")],
)  # fmt: skip
async def test_a_name_that_cannot_be_one_is_refused_when_the_job_is_submitted(
    api: Api, output: dict[str, str], code: str
) -> None:
    outputs = {"net": {"type": "custom_model", **output}}
    answer = await api.ask("POST", f"{WS}/jobs", {"spec": {**SPEC, "outputs": outputs}})
    assert (answer.status, answer.code) == (400, code)


async def test_nobody_else_says_what_an_output_became(api: Api) -> None:
    await running(api, "j")
    for command in ("register_output", "refuse_output"):
        answer = await api.ask("POST", f"{WS}/jobs/j/{command}", {"output": "net", "model": "m", "version": 1})
        assert (answer.status, answer.code) == (403, "command.forbidden")


async def test_a_named_output_may_have_a_version_that_is_no_number(api: Api) -> None:
    weights = await api.put_tree(w=b"weights")
    dated = {"net": {**NET["net"], "version": "2024-01-01"}}
    await completed(api, "one", dated, net=weights)
    await completed(api, "two", dated, net=weights)
    assert [key for key, _ in await created(api, 1)] == ["taxi:1"]
    assert (await said(api, "job.registration_failed"))["code"] == "model.exists"
    model = await shown(api, "registered_models/taxi/labels/2024-01-01")
    assert (model["name"], model["state"]["spec"]["label"]) == ("taxi:1", "2024-01-01")


async def test_a_named_output_is_of_the_model_that_has_the_name_now(api: Api) -> None:
    weights = await api.put_tree(w=b"weights")
    await completed(api, "one", net=weights)
    await created(api, 1)
    assert (await api.ask("POST", f"{WS}/registered_models/taxi/delete", {})).status == 200
    await completed(api, "two", net=weights)
    assert [key for key, _ in await created(api, 2)] == ["taxi:1", "taxi:1"]
    assert (await shown(api, "models/taxi:1"))["created_by"] == "job:two"
