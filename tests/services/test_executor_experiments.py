"""The number of a job's experiment: asked for once by all jobs that begin at the same time, and not kept for long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from treering.domain.job_spec import EnvironmentSpec, JobSpec
from treering.kernel.listening import listening
from treering.kernel.subjects import Address
from treering.specs.references import parse_reference
from treering_services.executor import runner
from treering_services.executor.attempt import Attempt
from treering_services.executor.runner import Runner
from treering_services.executor.steps import azureml_variables, mlflow_variables

pytestmark = pytest.mark.anyio
ANSWER = b'{"run": {"info": {"experiment_id": "7"}}}'


@dataclass
class Gateway:
    """Answers every request alike, as ``status``, and counts them."""

    status: str = "200 OK"
    asked: list[bytes] = field(default_factory=list)
    url: str = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append(await reader.readuntil(b"\r\n\r\n"))
        head = f"HTTP/1.1 {self.status}\r\ncontent-length: {len(ANSWER)}\r\nconnection: close\r\n\r\n"
        writer.write(head.encode() + ANSWER)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def runner_of(gateway: Gateway) -> AsyncIterator[Runner]:
    async with listening(gateway.answer) as port:
        url = f"http://127.0.0.1:{port}"
        unused = cast(Any, None)
        slots = asyncio.Semaphore(1)
        yield Runner(
            "n1",
            unused,
            unused,
            unused,
            unused,
            slots,
            Path("/absent"),
            Path("/absent"),
            lambda: url,
            lambda attempt: "token",
            room=unused,
        )


def attempt(job: str, experiment: str = "e") -> Attempt:
    spec = JobSpec(command="true", environment=EnvironmentSpec(), experiment=experiment)
    return Attempt(Address("main", "job", job), 1, spec, Path("/absent"))


async def test_jobs_of_one_experiment_ask_once_and_of_another_again() -> None:
    gateway = Gateway()
    async with runner_of(gateway) as node:
        attempts = [attempt("j1"), attempt("j2"), attempt("j3", "other")]
        for one in attempts:
            await node.experiment(one)
    assert [one.experiment_id for one in attempts] == ["7", "7", "7"]
    assert [b"run_id=j1" in gateway.asked[0], b"run_id=j3" in gateway.asked[1], len(gateway.asked)] == [True, True, 2]


async def test_a_number_is_not_believed_for_long_since_a_name_may_be_given_to_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runner, "EXPERIMENT_SECONDS", 0.0)
    gateway = Gateway()
    async with runner_of(gateway) as node:
        for job in ("j1", "j2"):
            await node.experiment(attempt(job))
    assert len(gateway.asked) == 2


async def test_no_answer_is_not_remembered() -> None:
    gateway = Gateway("503 Service Unavailable")
    async with runner_of(gateway) as node:
        await node.experiment(attempt("j1"))
        gateway.status = "200 OK"
        later = attempt("j2")
        await node.experiment(later)
    assert later.experiment_id == "7"


async def test_a_jobs_clients_of_mlflow_are_led_to_its_workspace() -> None:
    spec = JobSpec(command="true", environment=EnvironmentSpec())
    uris = {
        workspace: mlflow_variables(
            Attempt(Address(workspace, "job", "j"), 1, spec, Path("/absent")), "http://h:1", "t"
        )
        for workspace in ("main", "lab")
    }
    found = {workspace: variables["MLFLOW_TRACKING_URI"] for workspace, variables in uris.items()}
    assert found == {"main": "http://h:1", "lab": "http://h:1/w/lab"}


def test_scripts_made_for_azure_ml_find_the_variables_they_put_together() -> None:
    spec = JobSpec("true", EnvironmentSpec(), experiment="digits")
    said = azureml_variables(Attempt(Address("w", "job", "j"), 1, spec, Path("/x"), experiment_id="7"))
    wanted = {
        "AZUREML_RUN_ID": "j",
        "AZUREML_ARM_WORKSPACE_NAME": "w",
        "AZUREML_ARM_PROJECT_NAME": "digits",
        "AZUREML_EXPERIMENT_ID": "7",
    }
    assert wanted.items() <= said.items()
    assert said["AZUREML_ARM_SUBSCRIPTION"] and said["AZUREML_ARM_RESOURCEGROUP"]
    at = f"{said['AZUREML_WORKSPACE_SCOPE']}/models/m/versions/1"
    assert (parse_reference(at).form, parse_reference(at).workspace) == ("arm", "w")
