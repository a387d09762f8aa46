"""Brings artifacts of a run or a logged model here, by the paths MLflow's clients use."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from urllib.parse import quote
from uuid import uuid4

from treering.adapters.tree_walk import Bounds
from treering.client.download import Downloaded, make_folder
from treering.client.http import LOST, Client
from treering.client.urls import query
from treering.kernel.refusal import Refused
from treering.kernel.safe_path import SafePath

ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
SCHEME = "mlflow-artifacts:/"
CHUNK_BYTES = 1024 * 1024


def download_artifacts(client: Client, uri: str, folder: Path) -> Downloaded:
    """Lay out below ``folder`` what stands at ``mlflow-artifacts:/...`` or ``runs:/RUN/...``.

    Raises ``Refused`` (``model.path`` for other places, ``path.unsafe``, ``file.unwritable``, ``tree.too_*``),
    ``ApiError``, ``Unreachable``.
    """
    root = root_of(client, uri)
    files, size_bytes = 0, 0
    for path in walked(client, root, "", Bounds(repr(uri[:200]))):
        if path.endswith("/"):
            make_folder(SafePath.parse(path).under(folder))
            continue
        size_bytes += file_into(client, f"{root}/{path}", SafePath.parse(path).under(folder))
        files += 1
    return Downloaded(files, size_bytes)


def root_of(client: Client, uri: str) -> str:
    """The path of the artifact proxy that ``uri`` names."""
    if uri.startswith("runs:/"):
        run_id, _, path = uri.removeprefix("runs:/").partition("/")
        found = client.get("/api/2.0/mlflow/runs/get", run_id=run_id)
        uri = f"{found['run']['info']['artifact_uri']}/{path}".rstrip("/")
    if not uri.startswith(SCHEME):
        raise Refused("model.path", f"the files of this version are at {uri[:200]!r}, which is not this installation")
    return uri.removeprefix(SCHEME).strip("/")


def walked(client: Client, root: str, below: str, bounds: Bounds, depth: int = 0) -> Iterator[str]:
    """Every file below ``root``, by its path from there; the path of a folder in which nothing is ends with a slash."""
    bounds.enter(below, depth)
    found = client.get(ARTIFACTS + query({"path": f"{root}/{below}".rstrip("/")})).get("files", [])
    if below and not found:
        yield f"{below}/"
    for one in found:
        bounds.meet()
        path = f"{below}/{one['path'].rpartition('/')[2]}".lstrip("/")
        if one.get("is_dir"):
            yield from walked(client, root, path, bounds, depth + 1)
        else:
            yield path


def file_into(client: Client, path: str, target: Path) -> int:
    """One file of the artifact proxy; how many bytes it has."""
    return reply_into(client, f"{ARTIFACTS}/{quote(path)}", target)


def reply_into(client: Client, path: str, target: Path) -> int:
    """What is at ``path`` as a file, which gets its name only when it is whole; how many bytes it has.

    Raises ``Refused("file.unwritable")``, ``ApiError``, ``Unreachable``.
    """
    partial = target.with_name(f".{uuid4().hex}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("xb") as file:
            size_bytes = received(client, path, file)
        partial.replace(target)
        return size_bytes
    except OSError as error:
        raise Refused("file.unwritable", f"{target}: {error.strerror or error}") from None
    finally:
        partial.unlink(missing_ok=True)


def received(client: Client, path: str, file: IO[bytes]) -> int:
    try:
        with client.reply("GET", path) as reply:
            while chunk := reply.read(CHUNK_BYTES):
                file.write(chunk)
            if reply.length:  # the server broke off; a read of so many bytes does not say so
                raise http.client.IncompleteRead(b"", reply.length)
            return file.tell()
    except LOST as error:
        raise client.lost(error) from error
