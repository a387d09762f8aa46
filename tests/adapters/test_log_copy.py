"""The second copy: a change anywhere in it is found, and an old copy is taken over with all it holds."""

from __future__ import annotations

import hashlib
import random
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.log_example import opened_copy, some_entries

from treering.adapters.log_copy import CopyDamaged, LogCopy, frontier_at, leaf_of
from treering.adapters.log_scrub import check_rows, scrub_copy
from treering.adapters.sqlite_view import Database
from treering.kernel.log import Entry
from treering.kernel.merkle import Frontier

pytestmark = pytest.mark.anyio

COMMITS = 40
VALUE_TRIALS = 10_000
FILE_TRIALS = 400


async def test_the_tree_is_the_one_over_all_commits_however_they_came(tmp_path: Path) -> None:
    entries = await some_entries(COMMITS)
    tree = Frontier()
    async with opened_copy(tmp_path / "log.db") as copy:
        for first in range(0, COMMITS, 7):
            await copy.apply(entries[first : first + 7])
            for entry in entries[first : first + 7]:
                tree.append(leaf_of(entry.subject, entry.body))
            assert copy.tree.root() == tree.root()
    async with opened_copy(tmp_path / "log.db") as copy:
        assert (copy.tree.size, copy.tree.root()) == (COMMITS, tree.root())
        assert await scrub_copy(copy) == tree.root()


async def test_any_byte_changed_in_any_value_is_found(tmp_path: Path) -> None:
    async with opened_copy(tmp_path / "log.db", await some_entries(COMMITS)) as copy:
        missed = await copy.read(lambda db: [trial for trial in range(VALUE_TRIALS) if not found(db, trial)])
    assert missed == []


def found(db: Database, seed: int) -> bool:
    """Change a byte of a value of a row, hash the copy, and take the change back; was the row named?"""
    chance = random.Random(seed)
    column, position = chance.choice(["subject", "hashes", "body"]), chance.randint(1, COMMITS)
    db.execute("BEGIN")
    try:
        where = "WHERE position = ?"
        (value,) = db.execute(f"SELECT CAST({column} AS BLOB) FROM commits {where}", (position,)).fetchone()
        changed = other_byte(value, chance)
        as_kept = "CAST(? AS TEXT)" if column == "subject" else "?"
        db.execute(f"UPDATE commits SET {column} = {as_kept} {where}", (changed, position))
        check_rows(db, first=1, until=COMMITS, tree=Frontier(), path=Path("log.db"))
    except CopyDamaged as damaged:
        return damaged.position == position
    finally:
        db.execute("ROLLBACK")
    return False


def other_byte(value: bytes, chance: random.Random) -> bytes:
    data = bytearray(value)
    data[chance.randrange(len(data))] ^= chance.randint(1, 255)
    return bytes(data)


@pytest.mark.parametrize("how", ["moved", "removed", "swapped", "number"])
async def test_a_row_moved_removed_or_of_another_type_is_found(tmp_path: Path, how: str) -> None:
    sql = {
        "moved": "UPDATE commits SET position = 99 WHERE position = 12",
        "removed": "DELETE FROM commits WHERE position = 12",
        "swapped": "UPDATE commits SET position = position - 25 WHERE position IN (12, 13);"
        "UPDATE commits SET position = -position WHERE position < 0",
        "number": "UPDATE commits SET body = 7 WHERE position = 12",
    }[how]
    async with opened_copy(tmp_path / "log.db", await some_entries(COMMITS)) as copy:
        await copy.read(lambda db: db.executescript(sql))
        with pytest.raises(CopyDamaged) as found:
            await scrub_copy(copy)
        assert found.value.position == 12


async def test_any_byte_changed_in_the_file_is_found_or_changes_nothing(tmp_path: Path) -> None:
    """SQLite leaves bytes of its pages unused, and does not read every one it uses: those may change."""
    whole = tmp_path / "whole.db"
    async with opened_copy(whole, await some_entries(COMMITS)) as copy:
        before = await copy.read(contents)
        await copy.read(lambda db: db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
    found = 0
    for seed in range(FILE_TRIALS):
        path = tmp_path / f"{seed}.db"
        path.write_bytes(other_byte(whole.read_bytes(), random.Random(seed)))
        try:
            async with opened_copy(path) as copy:
                await scrub_copy(copy)
                assert await copy.read(contents) == before, seed
        except CopyDamaged:
            found += 1
    assert found > FILE_TRIALS / 4


def contents(db: Database) -> list[tuple[Any, ...]]:
    """All that is asked of the copy: every row, and every history by its index."""
    columns = "position, subject, hashes, body"
    rows = db.execute(f"SELECT {columns} FROM commits NOT INDEXED ORDER BY position").fetchall()
    indexed = "SELECT position, body FROM commits INDEXED BY commits_subject WHERE subject = ? ORDER BY position"
    return [tuple(row) for row in rows] + [
        tuple(row) for subject in sorted({row["subject"] for row in rows}) for row in db.execute(indexed, (subject,))
    ]


def old_copy(path: Path, entries: Sequence[Entry]) -> None:
    """A copy as the first release wrote it: with a running hash, and without a tree."""
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(
            "CREATE TABLE commits (position INTEGER PRIMARY KEY, subject TEXT NOT NULL, version INTEGER NOT NULL, "
            "body BLOB NOT NULL, hash BLOB NOT NULL, chain BLOB NOT NULL)"
        )
        db.execute("CREATE INDEX commits_subject ON commits (subject, position)")
        db.execute("PRAGMA user_version = 1")
        chain = bytes(32)
        for entry in entries:
            hash = bytes.fromhex(entry.hash())
            chain = hashlib.sha256(chain + hash).digest()
            row = (entry.position, entry.subject, entry.commit().version, entry.body, hash, chain)
            db.execute("INSERT INTO commits VALUES (?, ?, ?, ?, ?, ?)", row)


async def test_a_copy_of_the_first_release_is_taken_over(tmp_path: Path) -> None:
    entries = await some_entries(COMMITS)
    old_copy(tmp_path / "log.db", entries[:30])
    async with opened_copy(tmp_path / "log.db", entries[30:]) as copy, opened_copy(tmp_path / "new.db", entries) as new:
        assert await scrub_copy(copy) == copy.tree.root() == new.tree.root()
        assert await copy.read(contents) == await new.read(contents)


@pytest.mark.parametrize("column", ["body", "hash", "chain", "subject"])
async def test_damage_in_an_old_copy_is_named_and_not_taken_over(tmp_path: Path, column: str) -> None:
    path = tmp_path / "log.db"
    old_copy(path, await some_entries(COMMITS))
    with closing(sqlite3.connect(path)) as db, db:
        (value,) = db.execute(f"SELECT CAST({column} AS BLOB) FROM commits WHERE position = 21").fetchone()
        as_kept = "CAST(? AS TEXT)" if column == "subject" else "?"
        db.execute(
            f"UPDATE commits SET {column} = {as_kept} WHERE position = 21", (other_byte(value, random.Random(1)),)
        )
    shutil.copy(path, tmp_path / "before.db")
    with pytest.raises(CopyDamaged, match="position 21 of the second copy"):
        await LogCopy(path).open()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] == 1
        assert db.execute("SELECT count(chain) FROM commits").fetchone()[0] == COMMITS


async def test_the_tree_at_any_earlier_size_is_read_from_the_rows(tmp_path: Path) -> None:
    entries = await some_entries(COMMITS)
    grown = Frontier()
    async with opened_copy(tmp_path / "log.db", entries) as copy:
        for entry in entries:
            grown.append(leaf_of(entry.subject, entry.body))
            assert (await copy.read(partial(frontier_at, size=entry.position))).root() == grown.root()


async def test_a_copy_whose_home_was_renamed_says_so_instead_of_sending_to_a_command(tmp_path: Path) -> None:
    copy = LogCopy(tmp_path / "home" / "copy" / "log.db")
    await copy.open()
    try:
        (tmp_path / "home").rename(tmp_path / "elsewhere")
        with pytest.raises(
            CopyDamaged, match=f"{tmp_path / 'home'} was removed or renamed while treering runs"
        ) as found:
            copy.require_there()
        assert "recopy" not in str(found.value)
    finally:
        await copy.close()


async def test_a_copy_that_was_removed_or_replaced_takes_no_more_and_says_what_to_do(tmp_path: Path) -> None:
    copy = LogCopy(tmp_path / "copy" / "log.db")
    await copy.open()
    try:
        copy.require_there()
        data = copy.path.read_bytes()
        copy.path.unlink()
        for _ in range(2):
            with pytest.raises(CopyDamaged, match=r"copy/log\.db was removed or replaced.*`treering log recopy`"):
                await copy.apply(await some_entries(1))
            copy.path.write_bytes(data)
    finally:
        await copy.close()
