"""A second copy of the first release, which kept a running hash, becomes one that keeps the Merkle tree.

Every row is verified by the running hash as it is taken over: damage must not become truth by being moved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from treering.adapters.log_copy import FORMAT, CopyRow, copy_damaged, leaf_of
from treering.adapters.sqlite_view import Database
from treering.kernel.merkle import Frontier

START = bytes(32)  # the running hash before the first commit
NEW = "CREATE TABLE new (position INTEGER PRIMARY KEY, subject TEXT NOT NULL, hashes BLOB NOT NULL, body BLOB NOT NULL)"


def upgrade(db: Database, path: Path) -> None:
    """Rewrite the table in one transaction; CopyDamaged names the first row that is not what was stored."""
    db.execute("BEGIN IMMEDIATE")
    try:
        db.execute(NEW)
        db.executemany("INSERT INTO new VALUES (?, ?, ?, ?)", taken_over(db, path))
        db.execute("DROP TABLE commits")
        db.execute("ALTER TABLE new RENAME TO commits")
        db.execute(f"PRAGMA user_version = {FORMAT}")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def taken_over(db: Database, path: Path) -> Iterator[CopyRow]:
    tree, chain = Frontier(), START
    for row in db.execute("SELECT position, subject, body, hash, chain FROM commits ORDER BY position"):
        position, subject, body, hash, stored = row
        if position != tree.size + 1:
            raise copy_damaged(tree.size + 1, path)
        found = hashlib.sha256(subject.encode(errors="surrogateescape") + b"\n" + body).digest()
        chain = hashlib.sha256(chain + found).digest()
        if (found, chain) != (hash, stored):
            raise copy_damaged(position, path)
        yield CopyRow(position, subject, tree.append(leaf_of(subject, body)), body)
