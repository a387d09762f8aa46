"""What a version of a model is made of: a tree of files, an output of a job or what a run logged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from treering.adapters.trees import Manifest, TreeFile, read_manifest
from treering.domain.job import JOB, TERMINAL, Job
from treering.kernel.blobs import PREFIX
from treering.kernel.refusal import Refused
from treering.kernel.safe_path import SafePath
from treering.kernel.subjects import checked_name
from treering.specs.references import Reference
from treering.views.tracking.run_reads import run_head
from treering_services.gateway.core import Gateway, checked_address
from treering_services.gateway.mlflow.errors import MlflowError
from treering_services.gateway.mlflow.source_files import files_at

TREES = "mlflow-artifacts:/trees"  # where MLflow's clients find a tree of files by its digest


class Origin(NamedTuple):
    """Where the files of a version are, which they are, and what made them."""

    source: str
    files: Sequence[TreeFile]
    digest: str = ""
    run_id: str = ""


async def of_tree(gateway: Gateway, digest: str, run_id: str = "") -> Origin:
    """Raises ``Refused``: ``blob.absent``, ``tree.malformed``, ``model.empty``."""
    files = (await read_manifest(gateway.blobs, digest)).files
    if not files:
        raise empty("the folder", "give one that has the files of a model")
    return Origin(f"{TREES}/{digest.removeprefix(PREFIX)}", files, digest, run_id)


def empty(what: str, hint: str) -> Refused:
    return Refused("model.empty", f"{what} has no files, so it is no model; {hint}")


async def of_output(gateway: Gateway, workspace: str, reference: Reference, allow_failed: bool) -> Origin:
    """An output of a job, or what is below a path in it: again a tree, of which nothing is copied.

    Raises ``Refused``: ``job.absent``, ``model.job_not_completed``, ``model.output_absent``, ``model.empty``.
    """
    found = await gateway.get(checked_address(workspace, JOB.kind, reference.job))
    job: Job = JOB.states.decode(found.state)
    check_completed(reference.job, job, allow_failed)
    output = job.outputs.get(reference.name)
    if output is None:
        known = ", ".join(sorted(job.outputs)) or "none"
        raise Refused("model.output_absent", f"job {reference.job!r} has no output {reference.name!r}; it has {known}")
    if not output.files:
        raise empty(f"output {reference.name!r} of job {reference.job!r}", "the job wrote nothing there")
    digest = await below(gateway, output.digest, SafePath.parse(reference.path).text)
    return await of_tree(gateway, digest, run_id=reference.job)


def check_completed(name: str, job: Job, allow_failed: bool) -> None:
    """What a job left that did not complete may be half a model: it becomes one only if somebody says so."""
    if job.status == "Completed" or (allow_failed and job.status in TERMINAL):
        return
    if job.status not in TERMINAL:
        why = f"job {name!r} is {job.status}: its outputs are stored when it ends"
    else:
        why = (
            f"job {name!r} is {job.status}, so its outputs may be incomplete; allow_failed (--allow-failed) takes them"
        )
    raise Refused("model.job_not_completed", why)


async def below(gateway: Gateway, digest: str, path: str) -> str:
    """The tree of what stands at ``path`` of a tree; a file is a tree of one."""
    if not path:
        return digest
    files = (await read_manifest(gateway.blobs, digest)).files
    change = msgspec.structs.replace
    found = [change(file, path=file.path[len(path) + 1 :]) for file in files if file.path.startswith(f"{path}/")]
    found = found or [change(file, path=path.rpartition("/")[2]) for file in files if file.path == path]
    if not found:
        raise Refused("model.output_absent", f"there is nothing at {path!r} in this output")
    return await gateway.blobs.put_bytes(msgspec.json.encode(Manifest(tuple(found))))


async def of_logged(gateway: Gateway, workspace: str, reference: Reference) -> Origin:
    """What a run logged; ``Refused``: ``run.absent``, ``path.unsafe``, ``model.empty``."""
    run_id = checked_name(reference.job)
    await gateway.tracking.commits.reached(await gateway.log.head())
    if await gateway.tracking.peek(lambda db: run_head(db, workspace, run_id)) is None:
        raise Refused("run.absent", f"there is no run {run_id!r} in workspace {workspace!r}")
    try:
        files = await files_at(gateway, workspace, reference.text)
    except MlflowError:
        raise Refused("path.unsafe", f"{reference.path[:80]!r} is not a path below what a run logged") from None
    if not files:
        raise empty(reference.text[:200], f"run {run_id!r} logged nothing there")
    return Origin(reference.text, files, run_id=run_id)
