"""What an MLmodel says is read beside the loop: its YAML takes up to a second."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from treering.adapters.blobs import LocalBlobs
from treering.adapters.trees import TreeFile
from treering.specs.mlmodel import read_flavors
from treering_services.gateway import model_flavors

pytestmark = pytest.mark.anyio
TEXT = b"flavors:\n  python_function:\n    loader_module: a\n"


async def test_an_mlmodel_is_read_in_another_thread_than_the_loops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []
    read = read_flavors

    def seen(data: bytes) -> Any:
        threads.append(threading.get_ident())
        return read(data)

    monkeypatch.setattr(model_flavors, "read_flavors", seen)
    blobs = LocalBlobs(tmp_path)
    digest = await blobs.put_bytes(TEXT)
    gateway: Any = SimpleNamespace(blobs=blobs)
    found = await model_flavors.flavors(gateway, "mlflow_model", [TreeFile("MLmodel", len(TEXT), digest, False)])
    assert list(found) == ["python_function"]
    assert threads and threads[0] != threading.get_ident()
