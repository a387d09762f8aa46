"""Uploads the files of a model that are not there yet, and asks for the version."""

from __future__ import annotations

from typing import Any

import anyio
from anyio.to_thread import run_sync

from treering.adapters.http_blobs import HttpBlobs
from treering.adapters.trees import put_tree
from treering.client.http import Client
from treering.specs.model_draft import ModelDraft


def create_model(client: Client, path: str, draft: ModelDraft, allow_failed: bool = False) -> dict[str, Any]:
    """What was written. Ignore files are about code: the files of a model are taken whole. ``allow_failed``: also the
    output of a job that did not complete.

    Raises ``Refused`` (``tree.*``, ``model.*``), ``ApiError`` and ``Unreachable``.
    """
    return anyio.run(created, client, path, draft, allow_failed)


async def created(client: Client, path: str, draft: ModelDraft, allow_failed: bool) -> dict[str, Any]:
    body: dict[str, Any] = {
        "name": draft.name,
        "version": draft.version,
        "type": draft.type,
        "path": draft.path,
        "description": draft.description,
        "tags": draft.tags,
        "properties": draft.properties,
        "flavors": draft.flavors,
        "allow_failed": allow_failed,
    }
    if draft.local is not None:
        body["digest"] = (await put_tree(HttpBlobs(client), draft.local, ignore=False)).digest
        body["path"] = draft.local.name
    answer: dict[str, Any] = await run_sync(client.post, path, body)
    return answer
