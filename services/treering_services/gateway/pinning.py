"""Holds the files of a new version by the digest of their tree: it has the same bytes whatever becomes of the place
that they were registered from.

What a run logged may be written over and deleted, and MLflow registers what lies in other stores, or nowhere yet. Where
there is no tree, the version says why (``ModelSpec.unpinned``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import unquote

from treering.adapters.trees import TreeFile
from treering.domain.model import ModelSpec, Unpinned
from treering.kernel.blobs import PREFIX
from treering.kernel.refusal import Refused
from treering_services.gateway.core import Gateway
from treering_services.gateway.mlflow.errors import MlflowError
from treering_services.gateway.mlflow.source_files import is_elsewhere
from treering_services.gateway.model_origins import TREES, Origin, digest_of_files, of_source

WHY: Mapping[Unpinned, str] = {
    "elsewhere": "they are in a store that is not of this installation",
    "nothing_there": "nothing was there when it was registered",
    "too_large": "they are more than one tree can name",
    "unreadable": "what is kept of them could not be read when it was registered",
}
PLACE_CHARACTERS_MAX = 200


class Pinned(NamedTuple):
    """``storage`` is where the files are read from now on: the tree, if there is one."""

    storage: str
    digest: str = ""
    unpinned: Unpinned = ""
    files: Sequence[TreeFile] = ()


async def pin(gateway: Gateway, origin: Origin) -> Pinned:
    try:
        digest = await digest_of_files(gateway, origin)
    except Refused as refused:
        if refused.code != "tree.too_many_files":
            raise
        return Pinned(origin.source, unpinned="too_large", files=origin.files)
    return Pinned(f"{TREES}/{digest.removeprefix(PREFIX)}", digest, files=origin.files)


async def pin_at(gateway: Gateway, workspace: str, place: str) -> Pinned:
    """What lies at an address now. MLflow registers also what is not here."""
    await gateway.tracking.commits.reached(await gateway.log.head())
    try:
        if await is_elsewhere(gateway, workspace, place):
            return Pinned(place, unpinned="elsewhere")
        origin = await of_source(gateway, workspace, place)
        if origin is None and (plain := unquote(place)) != place:  # as clients write the address of "my net"
            origin = await of_source(gateway, workspace, plain)
    except MlflowError:
        origin = None
    except Refused as refused:
        origin = None
        if refused.code != "path.unsafe":
            return Pinned(place, unpinned="unreadable")
    return await pin(gateway, origin) if origin else Pinned(place, unpinned="nothing_there")


def notes_on(spec: ModelSpec) -> list[str]:
    """What to tell whoever registered it."""
    if spec.digest or not spec.unpinned:
        return []
    place = (spec.storage or spec.source)[:PLACE_CHARACTERS_MAX]
    return [f"its files are not held by a digest, {WHY[spec.unpinned]}: they are what lies at {place!r} at the time"]
