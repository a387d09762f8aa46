"""A page that changed on the disk is refused wherever it is read, and costs nothing to check."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from treering.adapters import sqlite_pages
from treering.adapters.sqlite_faults import is_damage, said

TEXT = "the text that stands in the file"
ROWS = 2000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database with checksums, whose every row has TEXT, moved out of the write-ahead log."""
    path = tmp_path / "some.db"
    sqlite_pages.create(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)")
        db.execute("CREATE TABLE u (id INTEGER PRIMARY KEY, text TEXT)")
        db.execute("CREATE INDEX by_text ON u (text)")
        db.executemany("INSERT INTO t VALUES (?, ?)", [(one, f"{one} {TEXT}") for one in range(ROWS)])
        db.executemany("INSERT INTO u VALUES (?, ?)", [(one, f"{one} in an index") for one in range(ROWS)])
    return path


def change(path: Path, old: str, new: str) -> None:
    """Other text of the same length wherever it stands in the file, as an editor or a failing disk would leave it."""
    data = path.read_bytes()
    assert old.encode() in data and len(old) == len(new)
    with path.open("r+b") as out:
        out.write(data.replace(old.encode(), new.encode()))
        os.fsync(out.fileno())


def test_this_python_checks_pages() -> None:
    assert sqlite_pages.load(), "SQLite's checksum VFS cannot be loaded: package apsw, or the library, was not found"


def test_a_file_that_was_made_with_checksums_says_so_and_any_other_does_not(file: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(file)) as checked, closing(sqlite3.connect(tmp_path / "plain.db")) as plain:
        assert sqlite_pages.are_checked(checked) and not sqlite_pages.are_checked(plain)


def test_changed_text_is_refused_in_the_table(file: Path) -> None:
    change(file, f"{ROWS // 2} {TEXT}", f"{ROWS // 2} {TEXT.upper()}")
    with closing(sqlite3.connect(file)) as db, pytest.raises(sqlite3.OperationalError) as refused:
        db.execute("SELECT text FROM t").fetchall()
    assert is_damage(refused.value) and "checksum" in said(refused.value)


def test_changed_text_is_refused_in_an_index(file: Path) -> None:
    change(file, "77 in an index", "77 IN AN INDEX")
    with closing(sqlite3.connect(file)) as db, pytest.raises(sqlite3.OperationalError) as refused:
        db.execute("SELECT text FROM u INDEXED BY by_text ORDER BY text").fetchall()
    assert is_damage(refused.value)


def test_a_transaction_whose_text_was_changed_in_the_write_ahead_log_is_not_there(tmp_path: Path) -> None:
    # Given a process that died with a transaction in the log that SQLite keeps beside the file,
    path, left = tmp_path / "some.db", tmp_path / "left.db"
    sqlite_pages.create(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("CREATE TABLE t (text TEXT)")
        writer.execute("INSERT INTO t VALUES ('before')")
        writer.execute("INSERT INTO t VALUES (?)", (TEXT,))
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{path}{suffix}", f"{left}{suffix}")
    # when its text is changed there, then the next one to open it sees what was before that transaction.
    change(Path(f"{left}-wal"), TEXT, TEXT.upper())
    with closing(sqlite3.connect(left)) as db:
        assert db.execute("SELECT text FROM t").fetchall() == [("before",)]


def test_what_is_written_after_opening_again_is_read_back(file: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.execute("UPDATE t SET text = 'new' WHERE id = 7")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with closing(sqlite3.connect(file)) as db:
        assert db.execute("SELECT text FROM t WHERE id = 7").fetchone() == ("new",)


@pytest.mark.parametrize("code", ["SQLITE_FULL", "SQLITE_BUSY", "SQLITE_IOERR_WRITE"])
def test_a_file_that_cannot_be_used_now_is_not_called_damaged(code: str) -> None:
    error = sqlite3.OperationalError("not now")
    error.sqlite_errorcode = getattr(sqlite3, code)
    assert not is_damage(error)
