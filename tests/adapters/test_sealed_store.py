"""Sealed secrets: only under their own name, only with the key, only for their owner."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from treering.adapters.sealed_store import SealedStore
from treering.kernel.refusal import Refused


@pytest.fixture
def store(tmp_path: Path) -> SealedStore:
    return SealedStore(tmp_path / "secrets", tmp_path / "keys" / "seal.key")


def test_a_secret_comes_back_under_its_name_and_is_not_readable_on_disk(store: SealedStore, tmp_path: Path) -> None:
    store.put("a", b"very secret")
    assert SealedStore(tmp_path / "secrets", tmp_path / "keys" / "seal.key").get("a") == b"very secret"
    assert b"very secret" not in store.path("a").read_bytes() and store.get("b") is None
    assert stat.S_IMODE(store.path("a").stat().st_mode) == stat.S_IMODE((tmp_path / "keys/seal.key").stat().st_mode)
    assert stat.S_IMODE(store.path("a").stat().st_mode) == 0o600


def test_the_same_secret_is_never_sealed_alike(store: SealedStore) -> None:
    store.put("a", b"x")
    first = store.path("a").read_bytes()
    store.put("a", b"x")
    assert store.path("a").read_bytes() != first


def test_a_file_that_was_changed_moved_or_sealed_otherwise_is_refused(store: SealedStore, tmp_path: Path) -> None:
    store.put("a", b"x")
    good = store.path("a").read_bytes()
    for name, data in (("a", good[:-1] + bytes([good[-1] ^ 1])), ("a", b""), ("b", good)):
        store.path(name).write_bytes(data)
        with pytest.raises(Refused, match=r"secret\.damaged"):
            store.get(name)
    store.path("a").write_bytes(good)
    with pytest.raises(Refused, match=r"secret\.damaged"):
        SealedStore(tmp_path / "secrets", tmp_path / "keys" / "other.key").get("a")
