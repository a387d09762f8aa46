"""A job's console goes live while there is room for it, and into its file in any case."""

from __future__ import annotations

from pathlib import Path

import pytest

from treering.adapters import free_space
from treering.adapters.follower import follow_stream
from treering.adapters.free_space import Room
from treering.kernel.subjects import Address
from treering.testing.nats import RunningNats
from treering_services.executor.console import GAP, Console

pytestmark = pytest.mark.anyio
TOTAL_BYTES = 100 * 1024**3


async def test_a_line_of_ours_begins_behind_the_last_line_of_the_job_that_has_no_end(
    nats_server: RunningNats, tmp_path: Path
) -> None:
    client = await nats_server.connect("executor")
    console = Console(client, Address("w", "job", "j2"), 1, tmp_path / "log.txt", nats_server.home / "nats")
    console.say("begins")
    console.write(b"whole\n")
    console.say("between")
    console.write(b"no newline")
    console.written()
    console.say("the command exited with code 3")
    await console.close()
    said = b"treering: begins\nwhole\ntreering: between\nno newline\ntreering: the command exited with code 3\n"
    assert (tmp_path / "log.txt").read_bytes() == said


async def test_while_the_disk_is_nearly_full_the_live_console_pauses_and_says_so(
    nats_server: RunningNats, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free_bytes = [TOTAL_BYTES]
    monkeypatch.setattr(free_space, "room_in", lambda folder: Room(free_bytes[0], TOTAL_BYTES, 100.0))
    client = await nats_server.connect("executor")
    console = Console(client, Address("w", "job", "j"), 1, tmp_path / "log.txt", nats_server.home / "nats")

    async def said(text: bytes) -> None:
        console.write(text)
        assert console.flushing is not None
        await console.flushing

    await said(b"one ")
    free_bytes[0] = free_space.reserve_of(TOTAL_BYTES) // free_space.CLIENTS_PART - 1
    await said(b"two ")
    await said(b"three ")
    free_bytes[0] = TOTAL_BYTES
    await said(b"four")
    free_bytes[0] = free_space.reserve_of(TOTAL_BYTES) // free_space.SERVICES_PART
    await console.close()
    assert (tmp_path / "log.txt").read_bytes() == b"one two three four"
    live = list[bytes]()
    async for batch in follow_stream(await nats_server.connect("gateway"), "LOG", after=0, subject="log.w.j.1"):
        live += [message.data for message in batch]
        if live[-1] == b"":  # the end fits into what the services have left
            break
    assert live == [b"one ", GAP + b"four", b""]
