"""Atomic batches are staged in memory and stored on the disk; where memory is not to be had, all goes on as well."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from pathlib import Path

import pytest

from treering.adapters.appender import Appender
from treering.adapters.jetstream_log import JetStreamLog
from treering.adapters.nats_staging import OF, batches_of, stage_in_memory, unstage
from treering.adapters.streams import stream_state
from treering.kernel.clock import new_id
from treering.kernel.log import Appended
from treering.testing.nats import RunningNats

pytestmark = pytest.mark.anyio

TOGETHER = 20
STAGED_AT_ONCE = 200


async def append_together(appender: Appender, count: int = TOGETHER) -> list[Appended]:
    subjects = [f"evt.w.job.{new_id()}" for _ in range(count)]
    return await asyncio.gather(*(appender.append(name, b"{}", id=new_id(), expected=0) for name in subjects))


def staging_of(nats: RunningNats) -> Path:
    return batches_of(nats.server.folder).resolve()


async def test_a_batch_is_staged_in_memory_stored_whole_and_the_memory_is_given_back(nats_server: RunningNats) -> None:
    registry, staging = await nats_server.connect("registry"), staging_of(nats_server)
    assert staging.is_relative_to("/dev/shm") and staging.stat().st_mode & 0o077 == 0
    done = await append_together(Appender(registry))
    assert [one.position for one in done] == list(range(1, TOGETHER + 1))
    assert (await stream_state(registry, "EVT")).messages == TOGETHER
    await nats_server.server.stop()
    assert not staging.exists() and not batches_of(nats_server.server.folder).is_symlink()


async def test_appends_are_acknowledged_one_by_one_when_nothing_can_be_staged(nats_server: RunningNats) -> None:
    registry = await nats_server.connect("registry")
    shutil.rmtree(staging_of(nats_server))
    done = await append_together(Appender(registry))
    assert sorted(one.position for one in done) == list(range(1, TOGETHER + 1))


async def test_what_was_acknowledged_is_there_after_a_kill_among_batches(nats_server: RunningNats) -> None:
    registry, process = await nats_server.connect("registry"), nats_server.server.process
    assert process is not None
    appender = Appender(registry)
    under_way = [asyncio.create_task(append_together(appender)) for _ in range(STAGED_AT_ONCE)]
    done = await under_way[0]
    process.kill()
    await nats_server.server.died()
    found = await asyncio.gather(*under_way, return_exceptions=True)
    await nats_server.server.start()
    assert nats_server.server.stage_in_memory()
    acknowledged = {one.position for group in found if isinstance(group, list) for one in group}
    stored = await JetStreamLog(await nats_server.connect("registry")).read("evt.>")
    positions = Counter(entry.position for entry in stored)
    assert {one.position for one in done} | acknowledged <= positions.keys()
    assert max(positions.values()) == 1


async def test_a_folder_that_others_can_enter_is_not_used(nats_server: RunningNats, tmp_path: Path) -> None:
    folder, memory = nats_server.server.folder, tmp_path / "shm"
    memory.mkdir()
    assert stage_in_memory(folder, memory)
    (target,) = memory.iterdir()
    target.chmod(0o755)
    assert not stage_in_memory(folder, memory)
    unstage(folder, memory)
    assert target.exists()


async def test_what_a_killed_server_left_goes_when_its_home_is_gone(nats_server: RunningNats, tmp_path: Path) -> None:
    memory, homes = tmp_path / "shm", [tmp_path / "a", tmp_path / "b"]
    memory.mkdir()
    for home in homes:
        batches_of(home).parent.mkdir(parents=True)
        assert stage_in_memory(home, memory)
    shutil.rmtree(homes[0])
    assert stage_in_memory(nats_server.server.folder, memory)
    assert {(one / OF).read_text() for one in memory.iterdir()} == {str(homes[1]), str(nats_server.server.folder)}


async def test_without_shared_memory_batches_are_staged_on_the_disk(nats_server: RunningNats, tmp_path: Path) -> None:
    batches_of(nats_server.server.folder).unlink()
    assert not stage_in_memory(nats_server.server.folder, tmp_path / "nowhere")
    done = await append_together(Appender(await nats_server.connect("registry")))
    assert len(done) == TOGETHER and not batches_of(nats_server.server.folder).is_symlink()
