"""Secret environment variables: sealed before anything is written, delivered to the job, gone when it has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import convert
from tests.services.gateway_example import SPEC, WS, Api, running_gateway

from treering.adapters.sealed_values import SealedValues, secret_values
from treering.domain.environment import Environment
from treering.domain.job import Job
from treering.domain.job_messages import CompleteJob
from treering.domain.job_spec import JobSpec
from treering.domain.sealed import Sealed
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.testing.nats import RunningNats

pytestmark = pytest.mark.anyio
J = Address("w", "job", "j")
CANARY = "canary-5f1e"
PATIENCE_SECONDS = 20.0


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    async with running_gateway(nats_server) as running:
        yield running


def job(name: str = "j", **fields: Any) -> dict[str, Any]:
    return {"name": name, "spec": {**SPEC, **fields}}


def with_variable(value: str, name: str = "j") -> dict[str, Any]:
    return job(name, environment_variables={"DB_PASSWORD": value})


async def spec_of(api: Api, name: str = "j") -> JobSpec:
    spec = convert((await api.ask("GET", f"{WS}/jobs/{name}")).json["state"], Job).spec
    assert spec is not None
    return spec


def files(api: Api) -> list[Path]:
    return sorted(path for path in (api.home.keys / "values").glob("*.sealed") if path.stem != "mac")


def holding(api: Api, text: str) -> list[Path]:
    """The files of the home that hold ``text`` as it is."""
    return [path for path in api.home.root.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


async def test_secret_variables_are_in_no_file_of_the_home_and_the_job_gets_them(api: Api) -> None:
    named = {"DB_PASSWORD": f"{CANARY}-1", "apiKey": f"{CANARY}-2", "MY_API_KEY": f"{CANARY}-3", "LEVEL": "debug"}
    declared = {"PLAIN": f"{CANARY}-4"}
    environment = {"python": "3.11", "variables": {"FEED_TOKEN": f"{CANARY}-5", "TZ": "UTC"}}
    answer = await api.ask(
        "POST", f"{WS}/jobs",
        job(environment_variables={**named, **declared}, secret_variables=["PLAIN"], environment=environment),
    )  # fmt: skip
    assert answer.status == 201 and CANARY.encode() not in answer.body
    spec = await spec_of(api)
    assert spec.environment_variables == {"LEVEL": "debug"} and spec.environment.variables == {"TZ": "UTC"}
    assert secret_values(api.home, J, spec.sealed) == {
        **{name: value for name, value in named.items() if name != "LEVEL"}, **declared, "FEED_TOKEN": f"{CANARY}-5"
    }  # fmt: skip
    assert holding(api, CANARY) == []


async def test_a_job_is_told_which_secret_is_too_short_to_be_masked(api: Api) -> None:
    variables = {
        "DB_PASSWORD": CANARY,
        "PIN_TOKEN": "12345",
        "USE_TOKENS": "false",
        "SIX_TOKEN": "123456",
        "LEVEL": "1",
    }
    assert (await api.ask("POST", f"{WS}/jobs", job(environment_variables=variables))).status == 201
    why = "its value is secret and shorter than 6 characters, so it is not masked in the log"
    told = [f"environment variable {name}: {why}" for name in ("PIN_TOKEN",)]
    assert (await spec_of(api)).notes == tuple(told)


async def test_what_the_log_holds_tells_whether_two_values_are_equal_and_nothing_else(api: Api) -> None:
    for name, value in [("a", CANARY), ("b", CANARY), ("c", f"{CANARY}2")]:
        assert (await api.ask("POST", f"{WS}/jobs", with_variable(value, name))).status == 201
    a, b, c = [(await spec_of(api, name)).sealed for name in "abc"]
    assert a and b and c
    assert a.macs == b.macs != c.macs and len({a.reference, b.reference, c.reference}) == 3


async def test_the_same_job_again_changes_nothing_and_another_value_is_another_job(api: Api) -> None:
    await api.ask("POST", f"{WS}/jobs", with_variable(CANARY), {"idempotency-key": "k"})
    before, spec = files(api), await spec_of(api)
    for headers in ({"idempotency-key": "k"}, {}):
        assert (await api.ask("POST", f"{WS}/jobs", with_variable(CANARY), headers)).status == 200
    other = await api.ask("POST", f"{WS}/jobs", with_variable("another"))
    assert (other.status, other.code) == (409, "job.exists")
    assert await spec_of(api) == spec and files(api) == before


async def test_the_values_of_a_job_are_removed_when_it_has_ended(api: Api) -> None:
    await api.held("j", environment_variables={"TOKEN": CANARY})
    assert len(files(api)) == 1
    await api.send_as("executor", J, CompleteJob(1, "n1"))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while files(api):
            await api.ask("GET", f"{WS}/jobs/j")


async def test_values_that_a_gateway_left_behind_are_removed_when_the_next_one_starts(api: Api) -> None:
    await api.held("j", environment_variables={"TOKEN": CANARY})
    await api.service.stop()
    await api.send_as("executor", J, CompleteJob(1, "n1"))
    await api.gateway_again()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while files(api):
            await api.ask("GET", f"{WS}/jobs/j")


async def test_a_registered_environment_hands_its_secret_variables_to_the_jobs_that_use_it(api: Api) -> None:
    new = {
        "name": "e", "spec": {"python": "3.11", "variables": {"FEED_TOKEN": CANARY, "X": "kept"}},
        "secret_variables": ["X"],
    }  # fmt: skip
    assert (await api.ask("POST", f"{WS}/environments", {**new, "version": "1"})).status == 201
    assert (await api.ask("POST", f"{WS}/environments", {**new, "version": "1"})).status == 200
    assert (await api.ask("POST", f"{WS}/environments/e:2/create", {"spec": new["spec"]})).status == 201
    shown = convert((await api.ask("GET", f"{WS}/environments/e:1")).json["state"], Environment)
    assert shown.spec.sealed and shown.spec.variables == {} and set(shown.spec.sealed.macs) == {"FEED_TOKEN", "X"}
    assert (await api.ask("POST", f"{WS}/jobs", job(environment="azureml:e:1"))).status == 201
    spec = await spec_of(api)
    assert secret_values(api.home, J, spec.sealed) == {"FEED_TOKEN": CANARY, "X": "kept"}
    assert spec.sealed and spec.sealed.reference != shown.spec.sealed.reference and holding(api, CANARY) == []


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"secret_variables": ["GONE"]}, "job.secret_variable"),
        ({"public_variables": ["GONE"]}, "job.public_variable"),
        (
            {"public_variables": ["A"], "secret_variables": ["A"], "environment_variables": {"A": "b"}},
            "job.public_variable",
        ),
        ({"sealed": {"reference": "job-1", "macs": {"A": "b"}}}, "request.malformed"),
        ({"environment": {"sealed": {"reference": "job-1", "macs": {"A": "b"}}}}, "secret.forbidden"),
        ({"environment": {"variables": {"TOKEN": "x" * 530_000}}}, "secret.too_large"),
    ],
)
async def test_what_is_sealed_is_for_the_gateway_to_say(api: Api, fields: dict[str, Any], code: str) -> None:
    answer = await api.ask("POST", f"{WS}/jobs", job(**fields))
    assert (answer.status, answer.code) == (400, code), answer.body


async def test_nobody_gets_the_values_of_another_job_or_of_a_home_without_its_keys(api: Api) -> None:
    await api.submitted("j", environment_variables={"TOKEN": CANARY})
    sealed = (await spec_of(api)).sealed
    assert sealed
    for owner, asked in [(Address("w", "job", "k"), sealed), (J, Sealed("job-0", sealed.macs))]:
        with pytest.raises(Refused, match=r"^secret\.missing"):
            SealedValues(api.home).open(owner, asked)
