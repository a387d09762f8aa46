"""Compute every view again, from the second copies into a temporary folder, and compare it with the stored one.

Row by row and table by table, at the position that the stored view has reached. The stored files are only read, and a
view that its service moves on meanwhile is seen as it was at one moment.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from treering.adapters.copy_sound import copies_fault
from treering.adapters.findings import Finding, ok, warning, wrong
from treering.adapters.free_space import room_in
from treering.adapters.incomplete import LOG, Incomplete, incomplete_rows, position_reached
from treering.adapters.log_copy import FILE_NAME, CopyDamaged, any_text, copy_damaged, leaf_of
from treering.adapters.not_checked import unchecked, why_not
from treering.adapters.points_copy import POINTS_FILE, POINTS_STREAM
from treering.adapters.read_only import UNREADABLE, opened
from treering.adapters.scratch import scratch_folder
from treering.adapters.second_stream import SecondStream
from treering.adapters.sqlite_places import is_misplaced
from treering.adapters.sqlite_view import Database, SqliteView, View
from treering.config import Home
from treering.kernel.disk import CannotWrite
from treering.kernel.log import Entry
from treering.kernel.merkle import Frontier
from treering.kernel.subjects import address_said
from treering.views.audit import AuditView
from treering.views.lifecycle import LifecycleView
from treering.views.states import StatesView
from treering.views.tracking import TrackingView, points_entries, points_units

VIEWS: dict[str, Callable[[], View]] = {
    "audit": AuditView, "lifecycle": LifecycleView, "states": StatesView, "tracking": TrackingView,
}  # fmt: skip
COPY_FIRST = "mend the second copy first; nothing is known to be wrong with the view"
BATCH = 1000
SECONDS_MAX = 120.0  # for all views; what is left is said
LISTED_MAX = 20
CATCH_UP_SECONDS = 3.0  # a copy may be that far behind a view, while treering runs
NOT_COMPARED = ("sqlite_stat1", "sqlite_stat4", "sqlite_sequence")
ENTRIES = (
    "SELECT position, subject, body, hashes FROM commits WHERE position > ? AND position <= ? ORDER BY position LIMIT ?"
)


class TooLong(Exception):
    """There was no time for all of it."""


class Difference(NamedTuple):
    table: str
    said: str  # the resource, or the row


def replay(home: Home) -> Iterator[Finding]:
    """A finding for each view, and one for each resource that a view cannot show."""
    log = home.copy / FILE_NAME
    paths = [path for path in sorted((home.root / "views").glob("*/*.db")) if path.stem in VIEWS]
    if not log.exists() or not paths:
        return
    try:
        if fault := copies_fault(home):
            yield warning("replay", f"no view was compared: the second copy is damaged ({fault})", COPY_FIRST)
            return
    except (*UNREADABLE, CannotWrite) as error:
        if not (why := why_not(error)):
            raise
        yield unchecked("replay", home.copy, why)
        return
    until = time.monotonic() + SECONDS_MAX
    for path in paths:
        name = f"{path.parent.name}/{path.stem}"
        try:
            if not is_misplaced(path):  # that was said of the home
                yield from compared(home, name, path, until)
        except CopyDamaged as damage:
            yield warning("replay", f"{name} was not compared: {damage}", COPY_FIRST)
        except TooLong:
            advice = "nothing is known to be wrong; delete the file while treering is stopped to have it computed again"
            yield warning("replay", f"{name}: not compared in {SECONDS_MAX:g} s", advice)
        except (*UNREADABLE, CannotWrite) as error:
            if why := why_not(error):
                yield unchecked("replay", path, why)
                continue
            yield wrong("replay", f"{name} cannot be compared: {error}", f"stop treering and delete {path}")


def compared(home: Home, name: str, path: Path, until: float) -> Iterator[Finding]:
    make = VIEWS[path.stem]
    with opened(path) as stored:
        stored.execute("BEGIN")  # from here on this is the view at one moment
        version, position = stored.execute("SELECT version, position FROM checkpoint").fetchone()
        if version != make().version:
            yield ok("replay", f"{name} is of another release: it is computed again at the next start")
            return
        has_points = has_table(stored, "streams")
        points = position_reached(stored, POINTS_STREAM) if has_points else 0
        if not copied(home.copy / FILE_NAME, position) or not (not points or copied(home.copy / POINTS_FILE, points)):
            yield warning("replay", f"{name} is ahead of the second copy", "`treering log verify` compares the two")
            return
        if path.stat().st_size * 2 > room_in(home.root).free_bytes:
            yield warning("replay", f"{name}: not compared, there is no room to compute it again", "make room")
            return
        with scratch_folder(".doctor-", home.root) as folder:
            again = folder / path.name
            asyncio.run(computed(home, make(), again, position, points, until))
            yield from findings(name, path, stored, again, position)


def copied(path: Path, position: int) -> bool:
    """Whether the copy has ``position``; a monitor that runs may be about to write it."""
    end = time.monotonic() + CATCH_UP_SECONDS
    while position:
        if path.exists():
            with opened(path) as db:
                if (db.execute("SELECT max(position) FROM commits").fetchone()[0] or 0) >= position:
                    return True
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


async def computed(home: Home, view: View, path: Path, position: int, points: int, until: float) -> None:
    store = SqliteView(view, path)
    await store.open()
    try:
        for batch in entries(home.copy / FILE_NAME, position, until):
            await store.apply(batch)
        if isinstance(view, TrackingView):
            second = SecondStream(store, POINTS_STREAM, points_entries, points_units, view.project_points)
            await second.open()
            for batch in entries(home.copy / POINTS_FILE, points, until):
                await second.apply(batch)
    finally:
        await store.close()


def entries(copy: Path, last: int, until: float) -> Iterator[Sequence[Entry]]:
    """What the copy has up to ``last``; TooLong when it is ``until``, CopyDamaged when it is not what was stored."""
    position, tree = 0, Frontier()
    while position < last:
        with opened(copy) as db:
            db.text_factory = any_text
            rows = db.execute(ENTRIES, (position, last, BATCH)).fetchall()
        if not rows:
            return
        for at, subject, body, hashes in rows:
            if not isinstance(body, bytes) or tree.append(leaf_of(str(subject), body)) != hashes:
                raise copy_damaged(at, copy)
        yield (batch := [Entry(*row[:3]) for row in rows])
        position = batch[-1].position
        if time.monotonic() > until:
            raise TooLong


def findings(name: str, path: Path, stored: Database, again: Path, position: int) -> Iterator[Finding]:
    with opened(again) as rebuilt:
        known = incomplete_rows(rebuilt)
        found = list(differences(stored, rebuilt))
    for row in known[:LISTED_MAX]:
        yield incomplete(name, row)
    if len(known) > LISTED_MAX:
        yield warning("views", f"{name} cannot show {len(known) - LISTED_MAX} more", "`treering status` lists them")
    if not found:
        yield ok("replay", f"{name} is what the log makes of it, up to position {position:,}")
    for one in found[:LISTED_MAX]:
        advice = f"stop treering and delete {path}: it is computed again"
        yield wrong("replay", f"{name} is not what the log makes of it: {one.said} (table {one.table})", advice)


def incomplete(name: str, row: Incomplete) -> Finding:
    where = f"position {row.position} of {'the log' if row.stream == LOG else row.stream}"
    advice = "everything else is served; a later release may be able to show it"
    return warning("views", f"{name} cannot show {row.said}: {where} cannot be applied to it: {row.why}", advice)


def differences(stored: Database, rebuilt: Database) -> Iterator[Difference]:
    """The rows that only one of the two has, one for each resource; at most LISTED_MAX a table."""
    for table in tables(rebuilt):
        if not has_table(stored, table):
            if rebuilt.execute(f'SELECT 1 FROM "{table}" LIMIT 1').fetchone():
                yield Difference(table, "it is not there")
            continue
        columns = [row[1] for row in rebuilt.execute(f'PRAGMA table_info("{table}")')]
        mine, theirs = rows_of(stored, table), rows_of(rebuilt, table)
        said = {name_of(rebuilt, dict(zip(columns, row, strict=False))) for row in differing(mine, theirs)}
        yield from (Difference(table, one) for one in sorted(said)[:LISTED_MAX])


def differing(mine: Iterator[tuple[object, ...]], theirs: Iterator[tuple[object, ...]]) -> Iterator[tuple[object, ...]]:
    """What only one of the two has. Both in the order of their keys, so that little is kept at a time."""
    ahead: dict[tuple[object, ...], int] = {}
    for one, sign in alternating(mine, theirs):
        seen = ahead.pop(one, 0) + sign
        if seen:
            ahead[one] = seen
    yield from ahead


def alternating(
    mine: Iterator[tuple[object, ...]], theirs: Iterator[tuple[object, ...]]
) -> Iterator[tuple[tuple[object, ...], int]]:
    missing = object()
    while True:
        left, right = next(mine, missing), next(theirs, missing)
        if left is missing and right is missing:
            return
        if left == right:
            continue
        if isinstance(left, tuple):
            yield left, 1
        if isinstance(right, tuple):
            yield right, -1


def rows_of(db: Database, table: str) -> Iterator[tuple[object, ...]]:
    """In the order of the key: two files with the same rows give them alike."""
    cursor = db.cursor()
    cursor.row_factory = None
    keys = sorted((row[5], row[1]) for row in db.execute(f'PRAGMA table_info("{table}")') if row[5])
    order = f"ORDER BY {', '.join(name for _, name in keys)}" if keys else ""
    return iter(cursor.execute(f'SELECT * FROM "{table}" {order}'))


def tables(db: Database) -> list[str]:
    found = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
    return [str(row[0]) for row in found if row[0] not in NOT_COMPARED]


def has_table(db: Database, name: str) -> bool:
    return db.execute("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", (name,)).fetchone() is not None


def name_of(db: Database, row: dict[str, object]) -> str:
    """What a row is about: its resource and position as far as the row says them."""
    at = f" at position {row['position']}" if "position" in row else ""
    if "one" in row:
        return f"its checkpoint{at}"
    if {"workspace", "kind", "key"} <= row.keys():
        return f"{row['kind']}/{row['key']} in {row['workspace']}{at}"
    if "run_id" in row:
        return f"run/{row['run_id']}{at}"
    if "run" in row:
        found = db.execute("SELECT run_id FROM runs WHERE number = ?", (row["run"],)).fetchone()
        return f"run/{found[0]}" if found else f"run number {row['run']}"
    if "subject" in row:
        return f"{address_said(str(row['subject']))}{at}"
    if isinstance(row.get("id"), int) and "commit_id" in row:
        return f"{row['key']} at position {int(str(row['id'])) >> 20}"
    first = next(iter(row.items()))
    return f"{first[0]} {str(first[1])[:80]}"
