"""Names of people: held to what the log was told, provable on request, gone when they are erased."""

from __future__ import annotations

import random
import subprocess
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from tests.adapters.log_example import opened_copy
from tests.adapters.test_proofs import KEY, REFUSED, VERIFIER, changed, loaded

from treering.adapters.log_copy import LogCopy, frontier_at
from treering.adapters.memory_log import MemoryLog
from treering.adapters.named_proofs import Named, check_any, named_bytes
from treering.adapters.names import FILE_NAME, Name, commitment, new_name, proven_names, told_at, write_names
from treering.adapters.proofs import inclusion_bytes, inclusion_of, prove_inclusion
from treering.config import Home
from treering.domain.credential import CREDENTIAL, EraseCredentialName, GrantCredential, RenameCredential
from treering.domain.experiment import EXPERIMENT
from treering.domain.experiment_messages import CreateExperiment
from treering.kernel.aggregate import Command
from treering.kernel.command import Context
from treering.kernel.log import Entry
from treering.kernel.subjects import Address
from treering.kernel.writer import Writer

pytestmark = pytest.mark.anyio
ANNA = "u_a1a1a1a1"
USER = Address("main", "credential", f"user:{ANNA}")
TRIALS = 3000


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.create()
    return made


async def told(home: Home, *commands: Command) -> list[Entry]:
    """A second copy of a log that was told so of Anna, after an experiment of hers."""
    log, at = MemoryLog(), datetime(2026, 1, 1, tzinfo=UTC)
    await Writer(log, EXPERIMENT).execute(
        Address("main", "experiment", "e"), CreateExperiment(), Context("e", at, ANNA)
    )
    writer = Writer(log, CREDENTIAL)
    for number, command in enumerate(commands):
        await writer.execute(USER, command, Context(f"c{number}", at, ANNA))
    async with opened_copy(home.copy / "log.db", log.entries):
        return list(log.entries)


def grant(name: Name) -> GrantCredential:
    return GrantCredential("user", ["everything"], commitment(ANNA, name))


async def test_a_name_is_shown_as_long_as_it_is_the_one_the_log_was_told(home: Home) -> None:
    name = new_name("anna", "anna")
    write_names(home, {ANNA: name})
    await told(home, grant(name))
    assert proven_names(home) == ({ANNA: "anna"}, [])
    for forged in (Name("mallory", name.salt, "anna"), new_name("anna", "anna")):
        write_names(home, {ANNA: forged})
        found = proven_names(home)
        assert found.names == {} and "otherwise than the log was told" in found.wrong[0]
    write_names(home, {})
    assert "is gone from" in proven_names(home).wrong[0]


async def test_a_name_said_anew_and_a_name_erased_leave_nothing_wrong(home: Home) -> None:
    first, second = new_name("anna", "anna"), new_name("anna berg", "anna")
    write_names(home, {ANNA: second})
    await told(home, grant(first), RenameCredential(commitment(ANNA, second)))
    assert proven_names(home) == ({ANNA: "anna berg"}, [])
    assert told_at(home, ANNA, second) == 3 and told_at(home, ANNA, new_name("anna", "anna")) == 0
    (home.copy / "log.db").unlink()
    await told(home, grant(first), EraseCredentialName())
    (home.keys / FILE_NAME).unlink()
    assert proven_names(home) == ({}, [])


async def test_the_log_says_nothing_of_a_name_to_who_has_no_salt(home: Home) -> None:
    commitments = {commitment(ANNA, new_name("anna", "anna")) for _ in range(100)}
    entries = await told(home, *map(RenameCredential, []), grant(new_name("anna", "anna")))
    assert len(commitments) == 100 and b'"anna"' not in entries[-1].body


async def named_proof(home: Home, name: Name) -> bytes:
    entries = await told(home, grant(name))
    async with opened_copy(home.copy / "log.db") as copy:
        return named_bytes(name, await proof(copy, entries[0]), await proof(copy, entries[1]))


async def proof(copy: LogCopy, entry: Entry) -> bytes:
    hashes = await copy.read(partial(prove_inclusion, position=entry.position, size=2, path=copy.path))
    root = await copy.read(lambda db: frontier_at(db, 2).root())
    return inclusion_bytes(inclusion_of(entry, hashes, KEY.sign_head(2, root)))


async def test_a_proof_with_a_name_shows_it_and_no_byte_of_it_changes_unnoticed(home: Home) -> None:
    data = await named_proof(home, new_name("Anna Müller", "anna"))
    found = check_any(data, KEY.verifier)
    assert isinstance(found, Named)
    assert (found.name, found.told_at, found.event.commit.actor) == ("Anna Müller", 2, ANNA)
    verifier, file = loaded(), home.root / "proof"
    for trial in range(TRIALS):
        forged = changed(data, random.Random(trial))
        assert not holds(forged), trial
        if trial % 15 == 0:
            file.write_bytes(forged)
            assert verifier.main([str(file), str(KEY.verifier)]) == 1, trial


def holds(data: bytes) -> bool:
    try:
        check_any(data, KEY.verifier)
    except REFUSED:
        return False
    return True


async def test_a_name_of_somebody_else_is_not_proven(home: Home) -> None:
    """The salt is the right one, and the name another."""
    data = await named_proof(home, new_name("anna", "anna"))
    forged = data.replace(b"name " + b"YW5uYQ==", b"name " + b"bWFsbG9yeQ==")
    assert forged != data
    with pytest.raises(REFUSED, match="was not told that"):
        check_any(forged, KEY.verifier)


async def test_the_stand_alone_verifier_shows_the_name_with_the_key_in_a_file(home: Home) -> None:
    (home.root / "proof").write_bytes(await named_proof(home, new_name("Anna Müller", "anna")))
    (home.root / "log.vkey").write_text(f"{KEY.verifier}\n")
    done = verified(home, str(home.root / "log.vkey"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith(f"proven: {ANNA} is 'Anna Müller', as commit 2 of 2 of the log")


@pytest.mark.parametrize("key", ["nowhere", "a+b", "treering/test+00000000+AAAA", "a+b+c", ""])
async def test_the_stand_alone_verifier_says_what_is_wrong_with_a_key_in_a_line(home: Home, key: str) -> None:
    (home.root / "proof").write_bytes(await named_proof(home, new_name("anna", "anna")))
    done = verified(home, key)
    assert done.returncode == 1 and done.stderr.startswith("NOT PROVEN: ")
    assert len(done.stderr.splitlines()) == 1 and "unpack" not in done.stderr


def verified(home: Home, key: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-S", str(VERIFIER), str(home.root / "proof"), key]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
