"""SQLite files are opened in a few ways, and each does what it says."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from treering.adapters import sqlite_open
from treering.adapters.sqlite_open import lacks_checksums, make_checked, open_alone, open_read_only, open_shared

NORMAL, FULL = 1, 2


@pytest.mark.parametrize(("said", "meant"), [("NORMAL", NORMAL), ("FULL", FULL)])
def test_a_shared_file_has_a_write_ahead_log_and_is_as_durable_as_asked(
    tmp_path: Path, said: sqlite_open.Synchronous, meant: int
) -> None:
    with closing(open_shared(tmp_path / "a ?#b.db", said)) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA synchronous").fetchone() == (meant,)
    assert (tmp_path / "a ?#b.db").exists()


def test_a_file_opened_to_read_cannot_be_changed(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with closing(open_alone(path)) as db:
        db.execute("CREATE TABLE t (x)")
    with closing(open_read_only(path)) as db, pytest.raises(sqlite3.OperationalError, match="readonly"):
        db.execute("INSERT INTO t VALUES (1)")


def test_a_file_that_is_no_database_leaves_no_connection_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(b"no database" * 100)
    made: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def connect_and_keep(*args: object, **kwargs: object) -> sqlite3.Connection:
        made.append(connect(*args, **kwargs))  # type: ignore[call-overload]
        return made[-1]

    monkeypatch.setattr(sqlite3, "connect", connect_and_keep)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        open_shared(path, "FULL")
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        made[0].execute("SELECT 1")


def test_a_file_of_an_earlier_release_is_told_from_one_with_checksums(tmp_path: Path) -> None:
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    with closing(open_alone(old)) as db:
        db.execute("CREATE TABLE t (x)")
    make_checked(new)
    with closing(open_alone(old)) as one, closing(open_alone(new)) as other:
        assert lacks_checksums(one)
        assert not lacks_checksums(other)
