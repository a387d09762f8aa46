"""What an ``mlflow_model`` can be loaded as, read from the MLmodel among its files."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from treering.adapters.trees import TreeFile
from treering.domain.model import ModelType
from treering.kernel.refusal import Refused
from treering.specs.mlmodel import MLMODEL, read_flavors
from treering.specs.nodes import Plain
from treering.specs.yaml_text import BYTES_MAX
from treering_services.gateway.core import Gateway


async def flavors(gateway: Gateway, type: ModelType, files: Sequence[TreeFile]) -> dict[str, Plain]:
    """By its type and its files; ``Refused("model.mlmodel")`` when an mlflow_model has no MLmodel that can be read."""
    if type != "mlflow_model":
        return {}
    found = next((file for file in files if file.path == MLMODEL), None)
    if found is None:
        detail = f"an mlflow_model is the folder that MLflow saved, with the file {MLMODEL} directly in it"
        raise Refused("model.mlmodel", f"{detail}; there is none among its {len(files)} files")
    if found.size > BYTES_MAX:
        raise Refused("model.mlmodel", f"{MLMODEL} has {found.size} bytes, at most {BYTES_MAX} are read")
    data = b"".join([chunk async for chunk in gateway.blobs.read(found.digest)])
    return await asyncio.to_thread(read_flavors, data)  # its YAML takes up to a second, which the loop does not have
