"""The log of a job that never stops printing has a limit, and says what is missing."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from treering.adapters.follower import follow_stream
from treering.kernel.subjects import Address
from treering.testing.nats import RunningNats
from treering_services.executor import console as module
from treering_services.executor.console import Console
from treering_services.executor.console_file import TAIL_BYTES, ConsoleFile

LINE = b"y" * 79 + b"\n"


def test_a_console_within_the_limit_is_kept_as_it_is(tmp_path: Path) -> None:
    console = ConsoleFile(tmp_path / "logs" / "log.txt", 800)
    for _ in range(10):
        console.write(LINE)
    assert console.close() == b""
    assert (tmp_path / "logs" / "log.txt").read_bytes() == LINE * 10


def test_a_console_that_says_nothing_leaves_no_file(tmp_path: Path) -> None:
    assert ConsoleFile(tmp_path / "log.txt", 800).close() == b""
    assert not (tmp_path / "log.txt").exists()


def test_of_an_endless_console_the_beginning_and_the_last_lines_are_kept_and_the_rest_is_counted(
    tmp_path: Path,
) -> None:
    console = ConsoleFile(tmp_path / "log.txt", 1_000_000)
    for number in range(1000):
        console.write(LINE * 100 + f"line {number}\n".encode())
    console.write(b"Traceback: the reason\n")
    console.close()
    kept = (tmp_path / "log.txt").read_bytes()
    assert len(kept) <= 1_000_000 + TAIL_BYTES + 300
    *_, reason, last = kept.decode().splitlines()
    assert reason == "Traceback: the reason"
    total = sum(8000 + len(f"line {number}\n") for number in range(1000)) + len("Traceback: the reason\n")
    assert last.startswith(f"treering: of {total} bytes of this console ")
    dropped = int(last.split(" bytes of this console ")[1].split()[0])
    assert f"\n[{dropped} bytes are missing here]\n" in kept.decode()
    ours = len(f"\n[{dropped} bytes are missing here]\n") + len(last) + 1
    assert len(kept) - ours == total - dropped


def test_a_disk_that_takes_no_more_does_not_fail_the_job_and_is_named(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        console = ConsoleFile(tmp_path / "log.txt", 1_000_000)
        for _ in range(200):
            console.write(LINE)
        said = console.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (tmp_path / "log.txt").stat().st_size == 4096
    assert said.endswith(b"File too large\n") and b"of 16000 bytes of this console" in said


@pytest.mark.anyio
async def test_who_watches_live_and_was_cut_off_gets_the_last_lines(
    nats_server: RunningNats, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LIVE_BYTES_MAX", 500)
    client = await nats_server.connect("executor")
    store = nats_server.home / "nats"
    console = Console(client, Address("w", "job", "j"), 1, tmp_path / "log.txt", store, bytes_max=800)
    for _ in range(2000):
        console.write(LINE)
    console.say("the command exited with code 1")
    await console.close()
    live = b""
    async for batch in follow_stream(await nats_server.connect("gateway"), "LOG", after=0, subject="log.w.j.1"):
        live += b"".join(message.data for message in batch)
        if batch[-1].data == b"":
            break
    assert b"has reached its limit" in live
    assert b"\ntreering: the command exited with code 1\ntreering: of 160041 bytes of this console " in live
