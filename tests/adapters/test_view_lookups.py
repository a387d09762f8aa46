"""Look-ups by key go past the thread of a view: while one is on it, all others of the view would go there too."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from treering.adapters.sqlite_open import MEMORY
from treering.adapters.sqlite_view import Database, SqliteView
from treering.kernel.log import Entry

pytestmark = pytest.mark.anyio


class Nothing:
    """A view without tables."""

    name = "nothing"
    version = "1"
    schema = ""

    def project(self, db: Database, entries: Sequence[Entry]) -> None:
        """Nothing is kept."""

    def forget(self) -> None:
        """Nothing is remembered."""


async def test_a_look_up_by_key_of_a_part_that_waits_for_a_sound_view_is_made_at_once() -> None:
    view = SqliteView(Nothing(), MEMORY)
    view.db = view.connect_once()
    try:
        looked_on = await view.when_sound(lambda _db: threading.get_ident(), by_key=True)
        assert looked_on == threading.get_ident()
    finally:
        await view.close()
