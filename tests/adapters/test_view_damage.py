"""A view that was changed on the disk serves nothing of it: it is made again from the log, then serves the truth."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from tests.adapters.test_sqlite_pages import change

from treering.adapters.memory_log import MemoryLog
from treering.adapters.sqlite_reader import SqliteReaders
from treering.adapters.sqlite_view import Database, SqliteView
from treering.kernel.ending import end
from treering.kernel.log import Entry
from treering.kernel.projector import Projector, ViewDamaged

pytestmark = pytest.mark.anyio
ENTRIES = 500
TEXT = "what the log says and nothing else"


class Texts:
    """A view of one table: the text of every entry by its position."""

    name = "texts"
    version = "1"
    schema = "CREATE TABLE IF NOT EXISTS texts (position INTEGER PRIMARY KEY, text TEXT NOT NULL)"

    def project(self, db: Database, entries: Sequence[Entry]) -> None:
        db.executemany("INSERT INTO texts VALUES (?, ?)", [(one.position, one.body.decode()) for one in entries])

    def forget(self) -> None:
        """Nothing is remembered."""


def all_texts(db: Database) -> list[str]:
    return [row[0] for row in db.execute("SELECT text FROM texts ORDER BY position")]


@asynccontextmanager
async def projected(log: MemoryLog, path: Path) -> AsyncIterator[tuple[SqliteView, Projector]]:
    view = SqliteView(Texts(), path)
    await view.open()
    projector = Projector(log, view)
    running = asyncio.create_task(projector.run())
    try:
        yield view, projector
    finally:
        await end(running)
        await view.close()


@pytest.fixture
async def log(anyio_backend: str) -> MemoryLog:
    log = MemoryLog()
    for number in range(ENTRIES):
        await log.append(f"evt.w.k.{number}", f"{number} {TEXT}".encode(), id=str(number), expected=0)
    return log


@pytest.fixture
async def damaged(log: MemoryLog, tmp_path: Path) -> Path:
    """The file of a view that has all of the log, with one text changed while it was closed."""
    path = tmp_path / "texts.db"
    async with projected(log, path) as (_, projector):
        await projector.reached(ENTRIES)
    change(path, f"77 {TEXT}", f"77 {TEXT.upper()}")
    return path


async def read_until_sound(view: SqliteView) -> list[str]:
    """The answer as soon as there is one; every refusal before must be ``view.damaged``."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await view.read(all_texts)
            except ViewDamaged as refused:
                assert refused.code == "view.damaged"
                # A loop that only yields starves the view's thread: it takes the interpreter back before that wakes.
                await view.soundness.wait()


async def test_changed_text_is_refused_and_then_the_truth_is_served(log: MemoryLog, damaged: Path) -> None:
    async with projected(log, damaged) as (view, _):
        with pytest.raises(ViewDamaged, match="made again from the log"):
            await view.read(all_texts)
        assert await read_until_sound(view) == [f"{number} {TEXT}" for number in range(ENTRIES)]


async def test_a_view_that_is_made_again_takes_what_is_appended_meanwhile(log: MemoryLog, damaged: Path) -> None:
    async with projected(log, damaged) as (view, projector):
        with pytest.raises(ViewDamaged):
            await view.read(all_texts)
        new = await log.append("evt.w.k.new", b"new", id="new", expected=0)
        assert (await read_until_sound(view))[:ENTRIES] == [f"{number} {TEXT}" for number in range(ENTRIES)]
        await projector.reached(new.position)
        assert (await view.read(all_texts))[-1] == "new"


async def test_a_reader_beside_the_view_refuses_too_and_reads_the_new_file_after(log: MemoryLog, damaged: Path) -> None:
    async with projected(log, damaged) as (view, _):
        readers = SqliteReaders(damaged, views=[view])
        try:
            with pytest.raises(ViewDamaged):
                await readers.read(all_texts)
            expected = await read_until_sound(view)
            assert await readers.read(all_texts) == expected
        finally:
            await readers.close()


OPENED_AGAIN = """
import asyncio, sys
from tests.adapters.test_view_damage import Texts
from treering.adapters.sqlite_view import SqliteView

async def main():
    view = SqliteView(Texts(), sys.argv[1])
    await view.open()
    print((await view.checkpoint()).position)
    await view.close()

asyncio.run(main())
"""


async def test_a_new_process_goes_on_with_the_file_it_finds(log: MemoryLog, tmp_path: Path) -> None:
    # Given a view that has all of the log,
    path = tmp_path / "texts.db"
    async with projected(log, path) as (_, projector):
        await projector.reached(ENTRIES)
    # when another process opens it, which has not opened any before, then it is not made again.
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (root, root / "libs", root / "services")))}
    command = [sys.executable, "-c", OPENED_AGAIN, str(path)]
    run = partial(subprocess.run, command, env=environment, capture_output=True, text=True, check=False)
    done = await asyncio.to_thread(run)
    assert done.stdout.strip() == str(ENTRIES), done.stderr


async def test_a_file_without_checksums_of_an_earlier_release_is_made_again(log: MemoryLog, tmp_path: Path) -> None:
    import sqlite3

    from treering.adapters import sqlite_pages

    path = tmp_path / "texts.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE checkpoint (one INTEGER PRIMARY KEY, position INTEGER, hash TEXT, version TEXT)")
        db.execute("INSERT INTO checkpoint VALUES (1, 3, '', '1')")
    db.close()
    async with projected(log, path) as (view, projector):
        await projector.reached(ENTRIES)
        assert await view.read(sqlite_pages.are_checked)
        assert len(await view.read(all_texts)) == ENTRIES
