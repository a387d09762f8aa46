"""Proof files: they hold for every commit, no byte changes unnoticed, and a verifier without treering agrees."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.log_example import opened_copy, some_entries

from treering.adapters.log_copy import LogCopy, frontier_at, leaf_of
from treering.adapters.notes import NoteInvalid
from treering.adapters.proofs import (
    Consistency,
    Extended,
    Included,
    check,
    consistency_bytes,
    inclusion_bytes,
    inclusion_of,
    prove_consistency,
    prove_inclusion,
)
from treering.adapters.signing import SigningKey
from treering.adapters.sqlite_view import Database
from treering.kernel.log import Entry
from treering.kernel.merkle import Frontier, ProofInvalid

pytestmark = pytest.mark.anyio

COMMITS = 150
TRIALS = 10_000
VERIFIER_TRIALS = 300  # pure Python takes some milliseconds for a signature
KEY = SigningKey("treering/test", bytes(range(32)))
OTHER = SigningKey("treering/test", bytes(32))
VERIFIER = Path(__file__).parents[2] / "tools" / "verify_proof.py"
VERIFIER_LINES_MAX = 200
REFUSED = (NoteInvalid, ProofInvalid)


def signed(db: Database, size: int) -> bytes:
    return KEY.sign_head(size, frontier_at(db, size).root())


async def inclusions(copy: LogCopy, entries: Sequence[Entry], chance: random.Random, count: int) -> list[bytes]:
    """Proofs of random commits under checkpoints of random sizes."""

    def made(db: Database) -> list[bytes]:
        proofs = []
        for _ in range(count):
            size = chance.randint(1, len(entries))
            entry = entries[chance.randrange(size)]
            hashes = prove_inclusion(db, entry.position, size, copy.path)
            proofs.append(inclusion_bytes(inclusion_of(entry, hashes, signed(db, size))))
        return proofs

    return await copy.read(made)


async def consistencies(copy: LogCopy, count: int, chance: random.Random, size_max: int) -> list[bytes]:
    def made(db: Database) -> list[bytes]:
        pairs = [sorted((chance.randint(1, size_max), chance.randint(1, size_max))) for _ in range(count)]
        return [
            consistency_bytes(Consistency(tuple(prove_consistency(db, old, new)), signed(db, old), signed(db, new)))
            for old, new in pairs
        ]

    return await copy.read(made)


async def test_a_proof_shows_the_commit_and_where_it_stands(tmp_path: Path) -> None:
    entries = await some_entries(COMMITS)
    async with opened_copy(tmp_path / "log.db", entries) as copy:
        for entry in entries:
            hashes = await copy.read(partial(prove_inclusion, position=entry.position, size=COMMITS, path=copy.path))
            data = inclusion_bytes(inclusion_of(entry, hashes, await copy.read(partial(signed, size=COMMITS))))
            found = check(data, KEY.verifier)
            assert isinstance(found, Included)
            assert (found.entry, found.head.size, str(found.address)[:12]) == (entry, COMMITS, "experiment/é")


async def test_a_proof_of_consistency_shows_both_sizes(tmp_path: Path) -> None:
    async with opened_copy(tmp_path / "log.db", await some_entries(COMMITS)) as copy:
        for data in await consistencies(copy, 200, random.Random(1), COMMITS):
            found = check(data, KEY.verifier)
            assert isinstance(found, Extended) and 1 <= found.old.size <= found.new.size <= COMMITS


async def test_any_byte_changed_in_a_proof_file_is_found(tmp_path: Path) -> None:
    chance = random.Random(2)
    entries = await some_entries(COMMITS)
    async with opened_copy(tmp_path / "log.db", entries) as copy:
        proofs = await inclusions(copy, entries, chance, 40) + await consistencies(copy, 40, chance, COMMITS)
    missed = [trial for trial in range(TRIALS) if holds(changed(chance.choice(proofs), random.Random(trial)))]
    assert missed == []


def changed(data: bytes, chance: random.Random) -> bytes:
    """One byte is another, is gone, or is there twice."""
    at = chance.randrange(len(data))
    match chance.randrange(4):
        case 0:
            return data[:at] + data[at + 1 :]
        case 1:
            return data[:at] + data[at : at + 1] + data[at:]
        case _:
            return data[:at] + bytes([data[at] ^ chance.randint(1, 255)]) + data[at + 1 :]


def holds(data: bytes) -> bool:
    try:
        check(data, KEY.verifier)
    except REFUSED:
        return False
    return True


async def test_a_proof_of_another_log_is_none(tmp_path: Path) -> None:
    entries = list(await some_entries(COMMITS))
    async with opened_copy(tmp_path / "log.db", entries) as copy:
        (data,) = await inclusions(copy, entries, random.Random(3), 1)
        with pytest.raises(NoteInvalid, match="not signed by treering/test with this key"):
            check(data, OTHER.verifier)
        # A log that was rewritten at its first commit, signed by the same key, is not what the old one became.
        tree, nodes = Frontier(), [b""]
        for entry in [Entry(1, entries[0].subject, b"{}"), *entries[1:]]:
            nodes.append(tree.append(leaf_of(entry.subject, entry.body)))
        forged = KEY.sign_head(COMMITS, tree.root())
        old = await copy.read(lambda db: signed(db, 50))
        hashes = await copy.read(lambda db: prove_consistency(db, 50, COMMITS))
        with pytest.raises(ProofInvalid, match="does not begin with the one of 50"):
            check(consistency_bytes(Consistency(tuple(hashes), old, forged)), KEY.verifier)


@pytest.mark.parametrize(
    "data",
    [b"", b"\n", b"\xff\xfe", b"c2sp.org/tlog-proof@v1\n\n", b"c2sp.org/tlog-proof@v1\nindex 0\n\nx", b"{}" * 99],
)
def test_what_is_no_proof_is_refused(data: bytes) -> None:
    with pytest.raises(REFUSED):
        check(data, KEY.verifier)


def loaded() -> Any:
    """The stand-alone verifier, as a module."""
    spec = spec_from_file_location("verify_proof", VERIFIER)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_stand_alone_verifier_is_short_and_needs_the_standard_library_only() -> None:
    text = VERIFIER.read_text()
    assert text.count("\n") <= VERIFIER_LINES_MAX
    imports = [line.split()[1] for line in text.splitlines() if line.startswith(("import ", "from "))]
    assert imports == ["base64", "hashlib", "json", "sys", "pathlib"]


async def test_the_stand_alone_verifier_agrees(tmp_path: Path) -> None:
    chance = random.Random(4)
    entries = await some_entries(COMMITS)
    async with opened_copy(tmp_path / "log.db", entries) as copy:
        proofs = await inclusions(copy, entries, chance, 20) + await consistencies(copy, 20, chance, COMMITS)
    verifier, file = loaded(), tmp_path / "proof"
    for number, data in enumerate(proofs):
        file.write_bytes(data)
        assert verifier.main([str(file), str(KEY.verifier)]) == 0, number
        assert verifier.main([str(file), str(OTHER.verifier)]) == 1, number
    for trial in range(VERIFIER_TRIALS):
        file.write_bytes(changed(chance.choice(proofs), random.Random(trial)))
        assert verifier.main([str(file), str(KEY.verifier)]) == 1, trial


def test_the_stand_alone_verifier_checks_signatures_as_the_rfc_says() -> None:
    """Test 1 to 3 of RFC 8032 section 7.1: public key, message, signature."""
    vectors = [
        ("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
         "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
         "d25bf5f0595bbe24655141438e7a100b"),
        ("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
         "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
         "387b2eaeb4302aeeb00d291612bb0c00"),
        ("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
         "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
         "4a7c15e9716ed28dc027beceea1ec40a"),
    ]  # fmt: skip
    verifier = loaded()
    for public, message, signature in (tuple(map(bytes.fromhex, vector)) for vector in vectors):
        verifier.check_signature(public, message, signature)
        for wrong in (b"x" + message, message + b"\0"):
            with pytest.raises(ValueError):
                verifier.check_signature(public, wrong, signature)


async def test_the_stand_alone_verifier_runs_by_itself(tmp_path: Path) -> None:
    entries = await some_entries(9)
    async with opened_copy(tmp_path / "log.db", entries) as copy:
        (data,) = await inclusions(copy, entries, random.Random(5), 1)
    (tmp_path / "proof").write_bytes(data)
    done = verified_alone(tmp_path / "proof", KEY)
    assert (done.returncode, done.stdout[:14]) == (0, "proven: commit")
    done = verified_alone(tmp_path / "proof", OTHER)
    assert (done.returncode, done.stderr[:11]) == (1, "NOT PROVEN:")


def verified_alone(file: Path, key: SigningKey) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-S", str(VERIFIER), str(file), str(key.verifier)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
