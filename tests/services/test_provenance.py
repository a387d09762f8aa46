"""Lineage says what is so: what a command names as its maker is there, and a job names only what it made."""

from __future__ import annotations

import re
import typing
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import pytest
from tests.services.gateway_example import WS, Api, running_gateway
from tests.services.job_rights_example import FILES, MODEL_JSON, Belongings, M, belongings, done

from treering.domain import KINDS
from treering.testing.nats import RunningNats
from treering_services.gateway.commands import public_commands

pytestmark = pytest.mark.anyio
PARENT = "mlflow.parentRunId"
# Every field of a command that names a run, a job or a model, and a job's own rule for it.
CHECKED = frozenset(
    {
        "CreateLoggedModel.spec.source_run_id", "CreateModel.spec.run_id", "CreateModel.spec.model_id",
        "LogRunInputs.models", "LogRunOutputs.models.model_id", "SubmitJob.spec.tags", "UpdateJob.tags",
        "CreateRun.tags", "LogToRun.tags",
    }
)  # fmt: skip
NO_CLAIM = {
    "CreateRun.of_job": "no name",
    "CreateLoggedModel.spec.model_type": "no name",
    "LogRunOutputs.models": "its model_id is checked",
    "RegisterOutput.model": "the gateway sends it by itself, for a job that has completed",
    "CreateModel.spec.run_link": "a link elsewhere, which lineage does not read",
    "SubmitJob.via": "the gateway fills it in from the token",
    "DeleteModel.with_registered_model": "no name",
    "UndeleteModel.with_registered_model": "no name",
}
GATEWAYS_OWN = ("TransferModel.", "TransferRegisteredModel.")  # taken along from another name as it was
NAMES = re.compile(r"(^|_)(run|runs|job|via|parent|model|models)(_|$)")


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    async with running_gateway(nats_server) as running:
        yield running


def fields(type_: Any, path: str) -> Iterator[str]:
    """The fields of a message and of all within it, as paths."""
    if args := typing.get_args(type_):
        for one in args:
            yield from fields(one, path)
    elif isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        for name, of in typing.get_type_hints(type_, include_extras=True).items():
            if name != "__struct_fields__" and name in type_.__struct_fields__:
                yield f"{path}.{name}"
                yield from fields(of, f"{path}.{name}")


def test_every_field_of_a_command_that_names_a_run_or_model_is_checked_or_says_why_not() -> None:
    found = {
        path
        for kind in ("job", "run", "model", "logged_model", "registered_model", "experiment")
        for command in KINDS[kind].command_types.values()
        if command.sent_by == "gateway"
        for path in fields(command, command.__name__)
        if NAMES.search(path.rpartition(".")[2]) and not path.startswith(GATEWAYS_OWN)
    }
    assert found - CHECKED - set(NO_CLAIM) == set()
    tagged = {
        f"{command.__name__}.tags"
        for kind in ("job", "run")
        for command in public_commands(KINDS[kind]).values()
        if "tags" in command.__struct_fields__
    }
    assert tagged <= CHECKED  # a run's tag says in which run it is nested


def claims(mine: Belongings, run: str, model: str) -> list[tuple[str, str, Any]]:
    """Every request that says something of ``mine`` was made by, holds or is nested in what the others name."""
    nested = {"key": PARENT, "value": run}
    version = {"name": mine.model, "run_id": run}
    return [
        ("POST", "logged-models", {"experiment_id": mine.experiment, "source_run_id": run}),
        ("POST", "model-versions/create", {**version, "source": f"models:/{mine.logged}", "model_id": mine.logged}),
        ("POST", "model-versions/create", {**version, "source": "s3://b/x"}),
        ("POST", "runs/create", {"experiment_id": mine.experiment, "tags": [nested]}),
        ("POST", "runs/set-tag", {"run_id": mine.run, **nested}),
        ("POST", "runs/log-batch", {"run_id": mine.run, "tags": [nested]}),
        ("POST", "runs/outputs", {"run_id": mine.run, "models": [{"model_id": model}]}),
    ]


async def test_a_job_says_of_nothing_that_another_made_it(api: Api) -> None:
    # Given a job that ran, a run and models of a person, and what a job with rights of its own made,
    await api.submitted("victim")
    theirs = await belongings(api, None, "theirs")
    token = api.tokens.mint_job(await api.held("mine"), 1)
    mine = await belongings(api, token, "own")
    # when the job names them, in every request that could, then it is refused,
    for run in ("victim", theirs.run):
        for method, path, body in claims(mine, run, theirs.logged):
            reply = await api.ask(method, f"{M}/{path}", body, token=token)
            assert (reply.status, reply.json["error_code"]) == (403, "PERMISSION_DENIED"), (path, body, reply.body)
            assert "did not make" in reply.json["message"]
    # and neither does it name what is not there.
    used = ("POST", "runs/log-inputs", {"run_id": mine.run, "models": [{"model_id": "m-0"}]})
    ghost = ("POST", "model-versions/create", {"name": "own", "run_id": "ghost", "source": "runs:/ghost/m"})
    for method, path, body in [*claims(mine, "ghost", "m-0"), used, ghost]:
        reply = await api.ask(method, f"{M}/{path}", body, token=token)
        assert reply.status == 404, (path, body, reply.body)
    other = {"run_id": mine.run, "model_json": MODEL_JSON.format("victim")}
    assert (await api.ask("POST", f"{M}/runs/log-model", other, token=token)).status == 400
    for job in ("victim", theirs.run):
        assert "own" not in str((await api.ask("GET", f"{WS}/runs/{job}/models")).json)
    # What it made it may name, and it may use and register what others made.
    for run in ("mine", mine.run):
        for method, path, body in claims(mine, run, mine.logged):
            await done(api, token, method, f"{M}/{path}", body)
    await done(api, token, "POST", f"{M}/runs/log-inputs", {**used[2], "models": [{"model_id": theirs.logged}]})
    place = {"name": "own", "source": f"runs:/{theirs.run}/m", "run_id": theirs.run}
    await done(api, token, "POST", f"{M}/model-versions/create", place)


async def lineage(api: Api, key: str) -> Any:
    return (await api.ask("GET", f"{WS}/models/{key}/lineage")).json


async def test_lineage_tells_what_is_shown_from_what_somebody_said(api: Api) -> None:
    # Given a job whose script logs a model, and a person who says of two others that the job made them,
    token = api.tokens.mint_job(await api.held("trainer"), 1)
    job = await belongings(api, token, "jobs")
    person = await belongings(api, None, "persons")
    logged = {"experiment_id": job.experiment, "source_run_id": job.run}
    made = [(await done(api, who, "POST", f"{M}/logged-models", logged))["model"]["info"] for who in (token, None)]
    for who, info in zip((token, None), made, strict=True):
        place = info["artifact_uri"].removeprefix("mlflow-artifacts:/")
        await done(api, who, "PUT", f"{FILES}/{place}/weights", b"1")
        of_model = {"name": "persons", "source": f"models:/{info['model_id']}", "model_id": info["model_id"]}
        await done(api, None, "POST", f"{M}/model-versions/create", of_model)
    elsewhere = {"name": "persons", "source": "s3://b/x", "run_id": job.run}
    await done(api, None, "POST", f"{M}/model-versions/create", elsewhere)
    again = {"name": "persons", "source": "models:/persons/4"}
    await done(api, None, "POST", f"{M}/model-versions/create", again)
    for source in ("s3://b/x", "runs:/on-another-server/model"):
        body = {"name": "persons", "source": source, "run_id": "on-another-server"}
        await done(api, None, "POST", f"{M}/model-versions/create", body)
    # when somebody asks what made each, then the job is named where what it made shows it,
    for key in ("jobs:1", "persons:2"):
        found = await lineage(api, key)
        assert found["job"]["name"] == "trainer" and "said_by" not in found["run"], found
    # else only who said so, also of a run that is not there,
    owner = (await lineage(api, "persons:1"))["created_by"]
    for key in ("persons:3", "persons:4", "persons:5"):
        found = await lineage(api, key)
        assert found["run"] == {"run_id": job.run, "said_by": owner} and "job" not in found, found
    for key in ("persons:6", "persons:7"):
        found = await lineage(api, key)
        assert found["run"] == {"run_id": "on-another-server", "said_by": owner} and "job" not in found, found
    # and among the models of the run are only those that it made.
    items = (await api.ask("GET", f"{WS}/runs/{job.run}/models")).json["items"]
    assert [one["name"] for one in items] == ["jobs:1", "persons:2"]
    # A run that only says that it is nested in the job's counts for nothing there.
    nested = {"run_id": person.run, "key": PARENT, "value": job.run}
    await done(api, None, "POST", f"{M}/runs/set-tag", nested)
    assert (await lineage(api, "persons:1"))["run"].get("parents", []) == []
    items = (await api.ask("GET", f"{WS}/runs/{job.run}/models")).json["items"]
    assert [one["name"] for one in items] == ["jobs:1", "persons:2"]
