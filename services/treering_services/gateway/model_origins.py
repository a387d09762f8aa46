"""The files of a tree, of an output of a job or of what a run logged, and what made them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec
from anyio.to_thread import run_sync

from treering.adapters.tree_walk import FILES_MAX
from treering.adapters.trees import MANIFEST_BYTES_MAX, Manifest, TreeFile, read_manifest
from treering.domain.job import JOB, TERMINAL, Job
from treering.domain.job_messages import OutputData
from treering.domain.run import RUN
from treering.kernel.blobs import PREFIX
from treering.kernel.refusal import Refused
from treering.kernel.safe_path import SafePath
from treering.kernel.subjects import checked_name
from treering.specs.references import Reference
from treering.views.tracking.run_reads import run_head
from treering_services.gateway.core import Gateway, checked_address
from treering_services.gateway.mlflow.errors import MlflowError
from treering_services.gateway.mlflow.source_files import owner_of, tree_at

TREES = "mlflow-artifacts:/trees"  # where MLflow's clients find a tree of files by its digest
ROOT = "artifacts"  # as an output of a job: all its run has, what the job left and what its script logged
DEFAULT = "default"  # ./outputs


class Wanted(NamedTuple):
    """What a reference is resolved for. ``purpose`` begins the codes of refusals; ``assets`` is what a bare
    ``azureml:NAME:VERSION`` means there; ``allow_failed``: also the outputs of a job that did not complete."""

    purpose: Literal["model", "input"] = "model"
    assets: Literal["models", "data"] = "models"
    allow_failed: bool = False

    def refused(self, what: str, detail: str) -> Refused:
        return Refused(f"{self.purpose}.{what}", detail)


MODEL = Wanted()


class Origin(NamedTuple):
    """Where files are, which they are, and what made them. ``path`` is the reference to them, with the version in the
    place of a label."""

    source: str
    files: Sequence[TreeFile]
    digest: str = ""
    run_id: str = ""
    model_id: str = ""
    path: str = ""
    notes: tuple[str, ...] = ()
    folders: Sequence[str] = ()  # in which nothing is


async def of_tree(gateway: Gateway, digest: str, run_id: str = "", wanted: Wanted = MODEL) -> Origin:
    """Raises ``Refused``: ``blob.absent``, ``tree.malformed``, ``model.empty``. A job may be given an empty folder."""
    tree = await read_manifest(gateway.blobs, digest)
    if not tree.files and wanted.purpose == "model":
        raise empty(wanted, "the folder", "give one that has the files of a model")
    source = f"{TREES}/{digest.removeprefix(PREFIX)}"
    return Origin(source, tree.files, digest, run_id, folders=tree.folders)


def empty(wanted: Wanted, what: str, hint: str) -> Refused:
    so = ", so it is no model" if wanted.purpose == "model" else ""
    return wanted.refused("empty", f"{what} has no files{so}; {hint}")


async def digest_of_files(gateway: Gateway, origin: Origin) -> str:
    """The digest of the tree of the files: nothing is copied, the tree only names them.

    Raises ``Refused("tree.too_many_files")`` when it would be one that nobody can read.
    """
    if origin.digest:
        return origin.digest
    count = len(origin.files) + len(origin.folders)
    data = await run_sync(written_tree, origin) if count <= FILES_MAX else b""
    if not data or len(data) > MANIFEST_BYTES_MAX:
        most = f"a tree has at most {FILES_MAX}, and names and digests of at most {MANIFEST_BYTES_MAX} bytes"
        raise Refused("tree.too_many_files", f"{origin.source[:200]!r} has {count} files and empty folders: {most}")
    return await gateway.blobs.put_bytes(data)


def written_tree(origin: Origin) -> bytes:
    return msgspec.json.encode(Manifest(tuple(origin.files), tuple(origin.folders)))


async def of_job(gateway: Gateway, workspace: str, reference: Reference, wanted: Wanted) -> Origin:
    """An output of a job, or what is below a path in it. ``artifacts`` is the root of all that its run has, and so is
    ``default`` for the paths that Azure ML has there and ./outputs has not.

    Raises ``Refused``: ``job.absent``, and ``job_not_completed``, ``output_absent`` or ``empty`` of what is wanted.
    """
    found = await gateway.get(checked_address(workspace, JOB.kind, reference.job))
    job: Job = JOB.states.decode(found.state)
    check_completed(reference.job, job, wanted)
    path = SafePath.parse(reference.path).text
    output = job.outputs.get(reference.name)
    if output is not None and (output.files or reference.name != ROOT):
        origin = await of_output(gateway, reference, path, output, wanted)
        if origin is not None:
            return origin
    if reference.name == ROOT or (reference.name == DEFAULT and path):
        source = f"runs:/{reference.job}/{path}".rstrip("/")
        found_there = await of_source(gateway, workspace, source, reference.job)
        if found_there is not None:
            return found_there._replace(path=written(reference, path))
    if output is None and reference.name != ROOT:
        known = ", ".join(sorted(job.outputs)) or "none"
        detail = f"job {reference.job!r} has no output {reference.name!r}; it has {known}; {ROOT} is all its run has"
        raise wanted.refused("output_absent", detail)
    raise wanted.refused("output_absent", f"there is nothing at {path!r} in output {reference.name!r}")


async def of_output(
    gateway: Gateway, reference: Reference, path: str, output: OutputData, wanted: Wanted
) -> Origin | None:
    """None when there is nothing at the path."""
    if not output.files and wanted.purpose == "model":
        what = f"output {reference.name!r} of job {reference.job!r}"
        raise empty(wanted, what, "the job wrote nothing there")
    digest = await below(gateway, output.digest, path)
    if not digest:
        return None
    return (await of_tree(gateway, digest, reference.job, wanted))._replace(path=written(reference, path))


def written(reference: Reference, path: str) -> str:
    """The shortest form that means the same."""
    return f"azureml://jobs/{reference.job}/outputs/{reference.name}{f'/paths/{path}' if path else ''}"


def check_completed(name: str, job: Job, wanted: Wanted) -> None:
    """What a job left that did not complete may be half of it: a model is made of it only if somebody says so."""
    if job.status == "Completed" or (wanted.allow_failed and job.status in TERMINAL):
        return
    if job.status not in TERMINAL:
        why = "its outputs are stored when it ends: wait for it (treering job stream)"
    elif wanted.purpose == "model":
        why = "so its outputs may be incomplete; allow_failed (--allow-failed) takes them"
    else:
        why = f"so its outputs may be incomplete: run it again, or name what it left as runs:/{name}/PATH"
    joined = f": {why}" if job.status not in TERMINAL else f", {why}"
    raise wanted.refused("job_not_completed", f"job {name!r} is {job.status}{joined}")


async def below(gateway: Gateway, digest: str, path: str) -> str:
    """The tree of what stands at ``path`` of a tree, "" when nothing does; a file is a tree of one."""
    if not path:
        return digest
    tree = await read_manifest(gateway.blobs, digest)
    found = at_path(tree, path)
    is_there = found.files or found.folders or path in tree.folders
    return await gateway.blobs.put_bytes(msgspec.json.encode(found)) if is_there else ""


def at_path(tree: Manifest, path: str) -> Manifest:
    change, inner = msgspec.structs.replace, f"{path}/"
    files = [change(file, path=file.path[len(inner) :]) for file in tree.files if file.path.startswith(inner)]
    files = files or [change(file, path=path.rpartition("/")[2]) for file in tree.files if file.path == path]
    return Manifest(tuple(files), tuple(one[len(inner) :] for one in tree.folders if one.startswith(inner)))


async def of_logged(gateway: Gateway, workspace: str, reference: Reference, wanted: Wanted) -> Origin:
    """What a run logged; ``Refused``: ``run.absent``, ``path.unsafe``, ``empty`` of what is wanted."""
    run_id = checked_name(reference.job)
    await gateway.tracking.commits.reached(await gateway.log.head())
    if await gateway.tracking.peek(lambda db: run_head(db, workspace, run_id)) is None:
        raise Refused("run.absent", f"there is no run {run_id!r} in workspace {workspace!r}")
    found = await of_source(gateway, workspace, reference.text, run_id)
    if found is None:
        raise empty(wanted, reference.text[:200], f"run {run_id!r} logged nothing there")
    return found


async def of_source(gateway: Gateway, workspace: str, source: str, run_id: str = "") -> Origin | None:
    """The files below an address of the artifact store; the one file that it names as a tree of its own, because
    MLflow's clients look for a folder; None when nothing is there."""
    try:
        found = await tree_at(gateway, workspace, source)
        if found.files:
            return Origin(source, found.files, run_id=run_id, path=source, folders=found.folders)
        folder, _, name = source.rpartition("/")
        if "/" not in folder:  # the root of a run
            return None
        one = at_path(await tree_at(gateway, workspace, folder), name)
    except MlflowError:
        raise Refused("path.unsafe", f"{source[:200]!r} is not a path below what a run logged") from None
    if not one.files:
        return None
    tree = await gateway.blobs.put_bytes(msgspec.json.encode(one))
    return (await of_tree(gateway, tree, run_id))._replace(path=source)


async def of_artifact(gateway: Gateway, workspace: str, reference: Reference, wanted: Wanted) -> Origin:
    """What lies at an address of the artifact store, as MLflow's clients know it, and the run whose it is."""
    await gateway.tracking.commits.reached(await gateway.log.head())
    found = await of_source(gateway, workspace, reference.text)
    if found is None:
        raise empty(wanted, reference.text[:200], "nothing is kept there")
    owner = await gateway.tracking.peek(lambda db: owner_of(db, workspace, reference.text))
    return found._replace(run_id=owner.key if owner and owner.kind == RUN.kind else "")
