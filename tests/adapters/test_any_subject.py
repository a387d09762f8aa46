"""A stream may hold a message whose subject is no text: everything that follows it goes on behind it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.adapters.test_incomplete import CREATED, GOOD, commit

from treering.adapters.incomplete import incomplete_rows
from treering.adapters.jetstream_log import JetStreamLog
from treering.adapters.log_check import check_with_copy
from treering.adapters.log_copy import LogCopy
from treering.adapters.log_scrub import scrub_copy
from treering.adapters.nats_connect import Connection
from treering.adapters.sqlite_view import SqliteView
from treering.kernel.log import Entry
from treering.testing.log_contract import take
from treering.testing.nats import RunningNats
from treering.views.audit import AuditView
from treering.views.cloud_events import cloud_events
from treering.views.lifecycle import LifecycleView
from treering.views.states import StatesView, show
from treering.views.tracking import TrackingView

pytestmark = pytest.mark.anyio
SUBJECT = b"evt.main.run.\xff\xfe"


async def written(nats: RunningNats) -> tuple[Connection, list[Entry]]:
    """What is followed of a log: a commit of a run, and one below bytes that are no text."""
    client = await nats.connect("registry")
    assert isinstance(client, Connection)
    log = JetStreamLog(client)
    body = commit(GOOD, 1, CREATED)
    assert (await log.append(GOOD.subject, body, id="a", expected=0)).position == 1
    await client._send_command(b"PUB %s %d\r\n%s\r\n" % (SUBJECT, len(body), body))
    await client.flush()
    entries = await take(log, 2)
    assert entries[1].subject.encode(errors="surrogateescape") == SUBJECT
    return client, entries


async def test_it_is_followed_read_and_hashed_alike(nats_server: RunningNats) -> None:
    client, entries = await written(nats_server)
    found = await JetStreamLog(client).at(2)
    assert found is not None and found == entries[1] and found.hash() == entries[1].hash()
    assert not list(cloud_events(found))


async def test_the_copy_keeps_it_byte_for_byte(nats_server: RunningNats, tmp_path: Path) -> None:
    client, entries = await written(nats_server)
    copy = LogCopy(tmp_path / "log.db")
    await copy.open()
    await copy.apply(entries)
    assert (await copy.checkpoint()).hash == entries[1].hash()
    await check_with_copy(client, copy)
    await scrub_copy(copy)
    await copy.close()
    # And opened again it is as it was left.
    again = LogCopy(tmp_path / "log.db")
    await again.open()
    assert (await again.checkpoint()).position == 2
    await again.close()


@pytest.mark.parametrize("make", [AuditView, LifecycleView, StatesView, TrackingView])
async def test_a_view_sets_it_aside(nats_server: RunningNats, make: type[StatesView], tmp_path: Path) -> None:
    _, (good, strange) = await written(nats_server)
    # Given a view that meets it, is opened again, and meets it once more,
    for batch in ([good, strange], [strange._replace(position=3)]):
        store = SqliteView(make(), tmp_path / "view.db")
        await store.open()
        await store.apply(batch)
        # then it is set aside once, at its first position, and the run is shown.
        (row,) = await store.read(incomplete_rows)
        assert row.position == 2 and row.subject.isascii() and row.subject.startswith("evt.main.run.")
        if make is StatesView:
            assert await store.read(lambda db: show(db, GOOD)) is not None
        await store.close()


async def test_following_it_ends_no_connection(nats_server: RunningNats) -> None:
    client, _ = await written(nats_server)
    log = JetStreamLog(client)
    async with asyncio.timeout(10):
        following = asyncio.create_task(take(log, 3))
        await log.append("evt.main.run.late", b"no commit", id="late", expected=0)
        assert [entry.position for entry in await following] == [1, 2, 3]
