"""Artifacts asked for by the run, model version or logged model they belong to."""

from __future__ import annotations

from functools import partial

from starlette.responses import Response

from treering.adapters.sqlite_view import Database
from treering.kernel.bounds import Line, Name, Text
from treering.kernel.subjects import Address
from treering.views.tracking.roots import artifact_root, version_source
from treering_services.gateway.call import Call
from treering_services.gateway.mlflow import artifact_store as store
from treering_services.gateway.mlflow.access import find_run
from treering_services.gateway.mlflow.artifact_content import content
from treering_services.gateway.mlflow.artifact_names import check_kept
from treering_services.gateway.mlflow.artifact_paths import Owned, file_path, owned, proxied, safe_path
from treering_services.gateway.mlflow.artifact_proxy import files
from treering_services.gateway.mlflow.errors import MlflowError, absent, invalid, missing_value
from treering_services.gateway.mlflow.messages import Request, answer, from_query, read
from treering_services.gateway.mlflow.place import workspace_of

UPLOAD_BYTES_MAX = 10 * 1024 * 1024  # MLflow's own limit for this way in


class RunPath(Request, frozen=True):
    """``run_uuid`` is what old clients call the run."""

    run_id: Name = ""
    run_uuid: Name = ""
    path: Text = ""
    page_token: Line = ""

    def run(self) -> str:
        return self.run_id or self.run_uuid


class VersionPath(Request, frozen=True):
    required = ("name", "version", "path")
    name: Name = ""
    version: Name = ""
    path: Text = ""


class ModelFile(Request, frozen=True):
    artifact_file_path: Line = ""


class ModelFolder(Request, frozen=True):
    artifact_directory_path: Line = ""


async def list_run_artifacts(call: Call) -> Response:
    """Paths from the run's root on."""
    asked = await read(call, RunPath)
    if not asked.run():
        raise missing_value("run_id")
    return await listed(call, run_address(call, asked.run()), safe_path(asked.path))


async def get_run_artifact(call: Call) -> Response:
    asked = await read(call, RunPath)
    owner = run_address(call, asked.run())
    path = safe_path(asked.path)
    return await content(call, await store.find(call, await within(call, owner, path), path))


async def upload_artifact(call: Call) -> Response:
    """A small file into a run, as MLflow's web pages send it."""
    asked = from_query(call.scope["query_string"], RunPath)
    if not asked.run():
        raise invalid("Request must specify run_id or run_uuid.")
    if not asked.path:
        raise invalid("Request must specify path.")
    owner, path = run_address(call, asked.run()), check_kept(file_path(asked.path))
    place = await within(call, owner, path)
    await store.check_writable(call, place)
    data = await small_body(call)
    await store.put(call, place, await call.gateway.blobs.put_bytes(data), len(data))
    return answer()


async def small_body(call: Call) -> bytes:
    data = bytearray()
    async for chunk in call.chunks(2 * UPLOAD_BYTES_MAX):
        data += chunk
        if len(data) > UPLOAD_BYTES_MAX:
            raise invalid("Artifact size is too large. Max size is 10MB.")
    if not data:
        raise invalid("Request must specify data.")
    return bytes(data)


async def get_version_artifact(call: Call) -> Response:
    """A file of what a model version was made from."""
    asked = await read(call, VersionPath)
    path, workspace = safe_path(asked.path), workspace_of(call)
    source = await store.look(call, lambda db: version_source(db, workspace, asked.name, asked.version))
    if source is None:
        raise absent(f"Model Version (name={asked.name}, version={asked.version}) not found")
    folder = await store.look(call, lambda db: source_folder(db, workspace, source))
    if folder is None:
        raise invalid(f"the files of this version are at {source!r}, which this server does not serve")
    place = await store.look(call, lambda db: owned(db, workspace, f"{folder}/{path}".strip("/")))
    return await content(call, await store.find(call, place, path))


def source_folder(db: Database, workspace: str, source: str) -> str | None:
    """The proxy's path for a source: ``mlflow-artifacts:``, ``runs:/<run_id>/<path>`` or ``models:/<model_id>``."""
    scheme, _, rest = source.partition(":/")
    key, _, below = rest.strip("/").partition("/")
    kind = {"runs": "run", "models": "logged_model"}.get(scheme)
    if kind is None:
        return proxied(source)
    root = proxied(artifact_root(db, Address(workspace, kind, key)))
    return None if root is None else f"{root}/{safe_path(below)}".strip("/")


async def get_model_file(call: Call) -> Response:
    asked = await read(call, ModelFile)
    if not asked.artifact_file_path:
        raise MlflowError("BAD_REQUEST", 'Request must include the "artifact_file_path" query parameter.')
    path = safe_path(asked.artifact_file_path)
    place = await within(call, model_address(call), path)
    return await content(call, await store.find(call, place, path))


async def list_model_artifacts(call: Call) -> Response:
    asked = await read(call, ModelFolder)
    return await listed(call, model_address(call), safe_path(asked.artifact_directory_path))


def run_address(call: Call, run_id: str) -> Address:
    return Address(workspace_of(call), "run", run_id)


def model_address(call: Call) -> Address:
    return Address(workspace_of(call), "logged_model", call.params["model_id"])


async def listed(call: Call, owner: Address, folder: str) -> Response:
    place = await within(call, owner, folder)
    prefix = f"{folder}/" if folder else ""
    return await store.children(call, place, partial(files, prefix=prefix, root=await root_of(call, owner)))


async def root_of(call: Call, owner: Address) -> str:
    if owner.kind == "run":
        await find_run(call, owner.key)
    root = await store.look(call, lambda db: artifact_root(db, owner))
    if root is None:
        raise absent(f"Logged model with ID '{owner.key}' not found.")
    return root


async def within(call: Call, owner: Address, path: str) -> Owned:
    """``path`` below an owner's root; refused when its artifacts are not kept here."""
    root = await root_of(call, owner)
    if proxied(root) is None:
        raise invalid(f"the artifacts of {owner} are at {root!r}; this server serves 'mlflow-artifacts:' only")
    return await store.look(call, lambda db: owned(db, owner.workspace, f"{proxied(root)}/{path}".strip("/")))
