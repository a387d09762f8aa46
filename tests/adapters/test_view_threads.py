"""What a view applies while everybody waits is little: few entries, and few bytes."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from treering.adapters.sqlite_open import MEMORY
from treering.adapters.sqlite_view import INLINE_BYTES_MAX, INLINE_ENTRIES_MAX, Database, SqliteView
from treering.kernel.log import Entry

pytestmark = pytest.mark.anyio


class Threads:
    """A view of nothing, which notes on which thread it was told of the entries."""

    name = "threads"
    version = "1"
    schema = ""

    def __init__(self) -> None:
        self.noted: list[threading.Thread] = []

    def project(self, db: Database, entries: Sequence[Entry]) -> None:
        self.noted.append(threading.current_thread())

    def forget(self) -> None:
        """Nothing is remembered."""


@pytest.mark.parametrize(
    ("sizes_bytes", "at_once"),
    [
        ([100], True),
        ([100] * INLINE_ENTRIES_MAX, True),
        ([1] * (INLINE_ENTRIES_MAX + 1), False),
        ([INLINE_BYTES_MAX + 1], False),
        ([INLINE_BYTES_MAX // 2 + 1] * 2, False),
    ],
)
async def test_a_commit_with_thousands_of_tags_is_applied_beside_the_loop_and_a_small_one_at_once(
    sizes_bytes: list[int], at_once: bool
) -> None:
    threads = Threads()
    view = SqliteView(threads, MEMORY)
    await view.open()
    try:
        await view.apply([Entry(number, "evt.w.x.y", b"x" * size) for number, size in enumerate(sizes_bytes, start=1)])
    finally:
        await view.close()
    assert [one is threading.current_thread() for one in threads.noted] == [at_once]
