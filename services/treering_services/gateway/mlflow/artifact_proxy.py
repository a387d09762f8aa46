"""The artifact proxy: PUT, GET, DELETE and list below ``mlflow-artifacts:/``."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from starlette.responses import Response

from treering.kernel.bounds import Text
from treering.views.tracking.artifacts import Child
from treering_services.gateway.call import Call
from treering_services.gateway.mlflow import artifact_store as store
from treering_services.gateway.mlflow.artifact_content import content, received
from treering_services.gateway.mlflow.artifact_names import asked, check_kept
from treering_services.gateway.mlflow.artifact_paths import Owned, file_path, owned, safe_path
from treering_services.gateway.mlflow.messages import Answer, Request, answer, read
from treering_services.gateway.mlflow.place import workspace_of


class ListProxied(Request, frozen=True):
    path: Text = ""


class FileInfo(Answer, frozen=True):
    path: str
    is_dir: bool | None = None  # false is written out: it is a field that MLflow sets
    file_size: int | None = None


class Files(Answer, frozen=True):
    files: list[FileInfo] = []
    root_uri: str = ""


async def where(call: Call, path: str) -> Owned:
    """Whose artifact it is. A run that the view does not have is looked for once more at the head of the log."""
    workspace, tracking = workspace_of(call), call.gateway.tracking
    found = await store.look(call, lambda db: owned(db, workspace, path))
    if found.owner.kind == "workspace" and "artifacts" in path.split("/"):
        await tracking.commits.reached(await call.gateway.log.head())
        found = await store.look(call, lambda db: owned(db, workspace, path))
    return found


async def put_artifact(call: Call) -> Response:
    """Stored when it is whole; a body that breaks off leaves nothing behind."""
    place = await where(call, check_kept(file_path(asked(call))))
    await store.check_writable(call, place)
    await store.put(call, place, *await received(call))
    return Response()


async def get_artifact(call: Call) -> Response:
    path = safe_path(asked(call))
    return await content(call, await store.find(call, await where(call, path), path))


async def delete_artifact(call: Call) -> Response:
    """Answers the same whether there was something or not."""
    await store.remove(call, await where(call, safe_path(asked(call))))
    return answer()


async def list_artifacts(call: Call) -> Response:
    """Names within the folder that ``path`` names."""
    folder = (await read(call, ListProxied)).path
    return await store.children(call, await where(call, safe_path(folder)), partial(files, prefix="", root=""))


def files(children: Iterable[Child], prefix: str, root: str) -> Response:
    """The answer of a listing, with ``prefix`` before each name."""
    found = [FileInfo(prefix + one.name, one.size_bytes is None, one.size_bytes) for one in children]
    return answer(Files(found, root))
