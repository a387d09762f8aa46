"""What is kept of each webhook: bounded, and consistent with its position."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from treering.adapters import delivery_store, sqlite_pages
from treering.adapters.delivery_store import SCHEMA, DeliveriesDamaged, DeliveryStore, Letter

KEY, OTHER = ("w", "hook"), ("w", "other")


@pytest.fixture
def store(tmp_path: Path) -> DeliveryStore:
    made = DeliveryStore(tmp_path / "deliveries.db")
    made.begin(KEY, "0:", 0)
    made.begin(OTHER, "0:", 0)
    return made


def test_a_page_that_changed_on_the_disk_is_refused_also_in_a_file_of_an_earlier_release(tmp_path: Path) -> None:
    path = tmp_path / "deliveries.db"
    with closing(sqlite3.connect(path)) as old:
        old.executescript(SCHEMA)
        old.execute("INSERT INTO webhooks VALUES ('main', 'hook', 'the-epoch', 7, 3, 0)")
        old.commit()
    store = DeliveryStore(path)
    standing = store.standing(("main", "hook"))
    store.close()
    assert standing is not None and (standing.epoch, standing.position) == ("the-epoch", 7)
    if not sqlite_pages.load():
        pytest.skip("this Python cannot load SQLite's page checksums")
    data = path.read_bytes()
    path.write_bytes(data.replace(b"the-epoch", b"the-epocj"))
    with pytest.raises(DeliveriesDamaged, match=r"deliveries\.db.*put it back from a backup"):
        DeliveryStore(path).standing(("main", "hook"))


def test_the_oldest_dead_letters_make_room_and_are_counted(
    store: DeliveryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_store, "DEAD_MAX", 3)
    store.save(OTHER, 9, 0, [], [Letter(1, 0)], [])
    store.save(KEY, 9, 0, [], [Letter(position, 0, 8, 1.0, "no") for position in range(1, 6)], [])
    assert [one.position for one in store.dead(KEY, 10)] == [3, 4, 5]
    found, other = store.standing(KEY), store.standing(OTHER)
    assert found is not None and found.dropped == 2
    assert other is not None and other.dropped == 0 and store.dead_count(OTHER) == 1


def test_a_letter_is_to_be_tried_again_or_dead_or_done_and_never_two_of_them(store: DeliveryStore) -> None:
    letter = Letter(4, 1, 1, 7.0, "busy")
    store.save(KEY, 4, 0, [letter], [], [])
    assert store.retries(KEY) == [letter] and not store.dead(KEY, 10)
    store.save(KEY, 5, 0, [], [letter._replace(attempts=2)], [])
    assert not store.retries(KEY) and store.dead_count(KEY) == 1
    revived = store.revive(KEY, store.dead(KEY, 10), 8.0)
    assert revived == [Letter(4, 1, 0, 8.0, "busy")] == store.retries(KEY) and not store.dead_count(KEY)
    store.save(KEY, 6, 1, [], [], revived)
    assert not store.retries(KEY)
    standing = store.standing(KEY)
    assert standing is not None and (standing.position, standing.delivered) == (6, 1)


def test_it_is_there_when_opened_again_and_gone_when_forgotten(store: DeliveryStore, tmp_path: Path) -> None:
    store.save(KEY, 7, 3, [Letter(2, 0)], [Letter(1, 0)], [])
    store.close()
    again = DeliveryStore(tmp_path / "deliveries.db")
    standing = again.standing(KEY)
    assert standing is not None and standing.position == 7 and len(again.retries(KEY)) == again.dead_count(KEY) == 1
    again.forget(KEY)
    assert again.standing(KEY) is None and not again.retries(KEY) and not again.dead(KEY, 1)


def test_a_replay_begins_anew_and_keeps_the_dead(store: DeliveryStore) -> None:
    store.save(KEY, 7, 3, [Letter(2, 0)], [Letter(1, 0)], [])
    store.begin(KEY, "3:r1", 3)
    standing = store.standing(KEY)
    assert standing is not None and standing.position == 3 and not store.retries(KEY) and store.dead_count(KEY) == 1
