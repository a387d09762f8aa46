"""The steps of an attempt up to the moment its command runs, and after it has ended."""

from __future__ import annotations

import asyncio
import os
import urllib.parse
import urllib.request
from pathlib import Path

import structlog
from msgspec import Struct

from treering.adapters.blobs import LocalBlobs
from treering.adapters.egress import Egress
from treering.adapters.http_get import Bounds, fetch
from treering.adapters.pip_shim import shim_variables
from treering.adapters.remove_tree import remove_tree
from treering.adapters.trees import materialise, mode_of
from treering.client.urls import tracking_uri
from treering.domain.job_spec import InputSpec
from treering.kernel.arm_names import RESOURCE_GROUP, SUBSCRIPTION, workspace_id
from treering.kernel.decoding import decode
from treering.kernel.refusal import Refused
from treering.kernel.safe_path import SafePath
from treering.kernel.secret_names import is_secret_variable
from treering.specs.expressions import render
from treering.specs.submitted import unfetchable
from treering_services.executor.attempt import Attempt
from treering_services.executor.workplace import make_folders

ANSWER_TIMEOUT_SECONDS = 3.0
ANSWER_BYTES_MAX = 16 * 1024 * 1024
BOUNDS = Bounds()
SHELL = "/bin/bash"
log = structlog.get_logger()


class RunInfo(Struct, frozen=True):
    experiment_id: str


class Run(Struct, frozen=True):
    info: RunInfo


class RunAnswer(Struct, frozen=True):
    """What is read of MLflow's answer about a run."""

    run: Run


async def experiment(attempt: Attempt, gateway_url: str, token: str) -> None:
    """Ask the gateway for the number by which MLflow's clients know the experiment. It is a convenience for scripts
    that read it, so a job runs without it when there is no answer."""
    if not gateway_url:
        return
    query = urllib.parse.urlencode({"run_id": attempt.job.key})
    request = urllib.request.Request(
        f"{gateway_url}/api/2.0/mlflow/runs/get?{query}", headers={"Authorization": f"Bearer {token}"}
    )
    try:
        reply = await asyncio.to_thread(small_answer, request)
        attempt.experiment_id = decode(reply, RunAnswer).run.info.experiment_id
    except (OSError, ValueError, Refused) as error:
        log.info("experiment.unknown", job=str(attempt.job), why=str(error))


def small_answer(request: urllib.request.Request) -> bytes:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy does not know our own gateway
    with direct.open(request, timeout=ANSWER_TIMEOUT_SECONDS) as reply:
        data: bytes = reply.read(ANSWER_BYTES_MAX)
        return data


async def inputs(attempt: Attempt, blobs: LocalBlobs, egress: Egress) -> None:
    """Lay out code, inputs and outputs in the attempt's own folder; nothing of them stays when one cannot be."""
    try:
        if attempt.spec.code:
            await materialise(blobs, attempt.spec.code, attempt.code_folder, writable=True)
        make_folders(attempt.folder)
        for name, given in attempt.spec.inputs.items():
            attempt.input_paths[name] = await input_value(attempt, name, given, blobs, egress)
        for name, output in attempt.spec.outputs.items():
            folder = attempt.folder / "outputs" / SafePath.parse(name).text
            folder.mkdir(parents=True, exist_ok=True)
            attempt.output_paths[name] = folder / name if output.type == "uri_file" else folder
    except (Refused, OSError):
        for folder in (attempt.code_folder, attempt.folder / "inputs"):
            await asyncio.to_thread(remove_tree, str(folder))
        raise


async def input_value(attempt: Attempt, name: str, given: InputSpec, blobs: LocalBlobs, egress: Egress) -> str:
    """What ``${{inputs.name}}`` becomes: the literal, a path in the attempt's folder, or the URI itself."""
    if given.value is not None:
        return given.literal
    if given.mode == "direct" and not given.digest:
        return given.path
    target = attempt.folder / "inputs" / SafePath.parse(name).text
    if given.digest and given.type == "uri_file":
        target.mkdir(parents=True, exist_ok=True)
        file = target / SafePath.parse(Path(given.path).name or name).text
        await asyncio.to_thread(blobs.copy_to, given.digest, file, mode_of(writable=False, executable=False))
        return str(file)
    if given.digest:
        await materialise(blobs, given.digest, target, writable=False)
        return str(target)
    if given.path.startswith(("http://", "https://")) and given.type == "uri_file":
        target.mkdir(parents=True, exist_ok=True)
        file = target / SafePath.parse(given.path.rsplit("/", 1)[-1].split("?")[0] or name).text
        await fetch(given.path, file, egress, BOUNDS)
        return str(file)
    raise unfetchable(name, given)


def command_line(attempt: Attempt) -> list[str]:
    """The job's command with its expressions filled in, for the shell its author wrote it for."""
    return [SHELL, "-c", filled(attempt, attempt.spec.command)]


def filled(attempt: Attempt, text: str) -> str:
    """A text of the job with values and paths in place of its expressions."""
    outputs = {name: str(path) for name, path in attempt.output_paths.items()}
    return render(text, attempt.input_paths, outputs)


def variables(attempt: Attempt, shims: Path, gateway_url: str, token: str) -> dict[str, str]:
    """The job's environment: nothing of ours, its Python first on the path, and its own token."""
    assert attempt.python is not None
    spec = attempt.spec
    packages = attempt.folder / "home" / ".packages"  # made by the job itself, so where it may write
    ours = f"{packages / 'bin'}:{shims / 'bin'}:{attempt.python.parent}"
    prefix = attempt.python.parent.parent
    shim = shim_variables(shims, packages, prefix)
    modules = [str(attempt.code_folder / folder) for folder in spec.environment.modules]
    return {
        **shim,
        "PYTHONPATH": ":".join((*modules, shim["PYTHONPATH"])),
        "PATH": f"{ours}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "VIRTUAL_ENV": str(prefix),
        "HOME": str(attempt.folder / "home"),
        "TMPDIR": str(attempt.folder / "tmp"),
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "TREERING_URL": gateway_url,
        "TREERING_TOKEN": token,
        "TREERING_WORKSPACE": attempt.job.workspace,
        "TREERING_JOB": attempt.job.key,
        **mlflow_variables(attempt, gateway_url, token),
        **({"TRACEPARENT": attempt.trace} if attempt.trace else {}),
        **azureml_variables(attempt),
        **{f"AZURE_ML_INPUT_{name}": value for name, value in attempt.input_paths.items()},
        **{f"AZURE_ML_OUTPUT_{name}": str(path) for name, path in attempt.output_paths.items()},
        **spec.environment.variables,
        **{name: filled(attempt, value) for name, value in spec.environment_variables.items()},
        **attempt.secrets,
    }


def visible_secrets(attempt: Attempt) -> list[str]:
    """Values of variables that are secret by their name, although the spec of the job shows them."""
    spec = attempt.spec
    given = {**spec.environment.variables, **spec.environment_variables}
    return [value for name, value in given.items() if is_secret_variable(name, value, spec.public_variables)]


def azureml_variables(attempt: Attempt) -> dict[str, str]:
    """What scripts made for Azure ML read. There are no subscriptions and no resource groups here, but scripts put the
    three together; nothing here names a service of Azure's that a script could call."""
    workspace, spec = attempt.job.workspace, attempt.spec
    scope = workspace_id(workspace)
    experiment = {"AZUREML_EXPERIMENT_ID": attempt.experiment_id} if attempt.experiment_id else {}
    return {
        "AZUREML_RUN_ID": attempt.job.key,
        "AZUREML_ROOT_RUN_ID": attempt.job.key,
        "AZUREML_ARM_SUBSCRIPTION": SUBSCRIPTION,
        "AZUREML_ARM_RESOURCEGROUP": RESOURCE_GROUP,
        "AZUREML_ARM_WORKSPACE_NAME": workspace,
        "AZUREML_ARM_PROJECT_NAME": spec.experiment,
        "AZUREML_WORKSPACE_SCOPE": scope,
        "AZUREML_EXPERIMENT_SCOPE": f"{scope}/experiments/{spec.experiment}",
        "AZUREML_NODE_COUNT": str(spec.instance_count),
        **experiment,
    }


def mlflow_variables(attempt: Attempt, gateway_url: str, token: str) -> dict[str, str]:
    """What an unmodified MLflow client in the job needs to log to the job's own run; Azure ML sets the same."""
    experiment = {"MLFLOW_EXPERIMENT_ID": attempt.experiment_id} if attempt.experiment_id else {}
    return {
        "MLFLOW_TRACKING_URI": tracking_uri(gateway_url, attempt.job.workspace),
        "MLFLOW_TRACKING_TOKEN": token,
        "MLFLOW_RUN_ID": attempt.job.key,
        "MLFLOW_EXPERIMENT_NAME": attempt.spec.experiment,
        **experiment,
    }
