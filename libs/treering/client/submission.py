"""Submits a job draft: uploads what the installation does not have yet, then asks for the job.

Digests are made here, with the tree format the executor reads, so an unchanged file is never sent twice.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import msgspec
from anyio.to_thread import run_sync

from treering.adapters.git_facts import git_facts
from treering.adapters.http_blobs import HttpBlobs
from treering.adapters.regular_files import open_regular
from treering.adapters.trees import put_tree
from treering.client.errors import ApiError
from treering.client.http import Client
from treering.client.urls import segment
from treering.domain.job_spec import EnvironmentSpec, InputSpec
from treering.kernel.blobs import PREFIX
from treering.kernel.refusal import Refused
from treering.kernel.subjects import NAME_CHARACTERS_MAX
from treering.specs.curated import resolve_environment
from treering.specs.job_draft import JobDraft
from treering.specs.prepared import spec_of

NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.\-]")


class Submitted(NamedTuple):
    """The job as the API shows it, and how many bytes had to be sent for it. ``was_there``: the same job had been
    submitted under this name before, and nothing new was."""

    resource: dict[str, Any]
    sent_bytes: int
    was_there: bool = False


def submit(client: Client, draft: JobDraft, workspace: str, name: str = "") -> Submitted:
    """Upload and submit; ``name`` stands before the draft's own.

    Raises ``Refused`` (``tree.*``, ``environment.*``, ``job.*``), ``ApiError`` and ``Unreachable``.
    """
    return anyio.run(submit_draft, client, draft, workspace, name)


async def submit_draft(client: Client, draft: JobDraft, workspace: str, name: str) -> Submitted:
    draft = dataclasses.replace(draft, experiment=draft.experiment or experiment_here(Path.cwd()))
    environment = resolve_environment(draft.environment, draft.code)
    blobs = HttpBlobs(client)
    code, inputs = "", {}
    with said_of(draft.file, "code"):
        code = (await put_tree(blobs, draft.code)).digest if draft.code else ""
    for key, given in draft.inputs.items():
        with said_of(draft.file, f"inputs.{key}"):
            inputs[key] = await with_digest(blobs, given, draft.local_inputs.get(key))
    git = await run_sync(git_facts, draft.code) if draft.code else {}
    spec = spec_of(draft, EnvironmentSpec(), code, inputs, git)
    said: dict[str, Any] = {"environment": msgspec.to_builtins(environment), "secret_variables": draft.secret_variables}
    if draft.compute_reference:
        said["compute"] = draft.compute_reference
    body: dict[str, Any] = {"spec": {**msgspec.to_builtins(spec), **said}}
    jobs, named = f"/v1/workspaces/{segment(workspace)}/jobs", name or draft.name
    if named:
        body["name"] = named
    was_there = await run_sync(is_there, client, f"{jobs}/{segment(named)}") if named else False
    return Submitted(await run_sync(client.post, jobs, body), blobs.sent_bytes, was_there)


@contextmanager
def said_of(file: Path, key: str) -> Iterator[None]:
    """What is refused of a folder names the key of the file that names the folder."""
    try:
        yield
    except Refused as refused:
        raise Refused(refused.code, f"{file}: {key}: {refused.detail}", refused.more) from refused


def is_there(client: Client, path: str) -> bool:
    """False too where it cannot be read: the answer to the POST will say why."""
    try:
        client.get(path)
    except ApiError:
        return False
    return True


async def with_digest(blobs: HttpBlobs, given: InputSpec, local: Path | None) -> InputSpec:
    """The input with the digest of its data. Ignore files are about code: data is taken whole."""
    if local is None:
        return given
    if given.type == "uri_file":
        return msgspec.structs.replace(given, digest=await put_once(blobs, await run_sync(local.resolve)))
    return msgspec.structs.replace(given, digest=(await put_tree(blobs, local, ignore=False)).digest)


async def put_once(blobs: HttpBlobs, file: Path) -> str:
    digest = await run_sync(digest_of_file, file)
    return await blobs.put_file(file) if await blobs.missing([digest]) else digest


def digest_of_file(file: Path) -> str:
    with open_regular(file) as opened:
        return PREFIX + hashlib.file_digest(opened, "sha256").hexdigest()


def experiment_here(folder: Path) -> str:
    """The experiment of a job that names none: called as the folder it is submitted from, as with az ml, without blanks
    and what else cannot be in a name."""
    name = NOT_IN_A_NAME.sub("_", folder.resolve().stem.replace(" ", "")).lstrip("-.")
    return name[:NAME_CHARACTERS_MAX] or "Default"
