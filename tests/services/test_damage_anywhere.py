"""One byte changed anywhere in the store of the log, or a file cut short: found at the start, and mended."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from tests.services.monitor_example import all_entries, copy_file, filled_log, stopped

from treering.adapters.log_check import deep_check
from treering.adapters.log_restore import restore
from treering.adapters.nats_process import NatsServerError
from treering.config import Home
from treering.kernel.log import Entry, LogDamaged
from treering.testing.nats import RunningNats

pytestmark = pytest.mark.anyio

COMMITS = 60
TRIALS = 12  # a server is started twice in each
FOUND = (LogDamaged, NatsServerError)


def damaged(path: Path, chance: random.Random) -> str:
    """Change a byte of the file, or cut it somewhere; what was done."""
    data = bytearray(path.read_bytes())
    at = chance.randrange(len(data))
    if chance.random() < 0.2:
        path.write_bytes(data[:at])
        return f"{path.name} cut at {at} of {len(data)}"
    data[at] ^= chance.randint(1, 255)
    path.write_bytes(data)
    return f"byte {at} of {len(data)} of {path.name}"


async def holds_all(nats: RunningNats, before: list[Entry]) -> bool:
    """Start, check as every start does, and read; False when the start is refused."""
    try:
        await nats.server.start()
        await deep_check(await nats.connect("bootstrap"), copy_file(nats))
    except FOUND:
        return False
    assert await all_entries(nats, len(before)) == before
    return True


@pytest.mark.parametrize("seed", range(2))
async def test_a_change_anywhere_in_the_store_is_found_or_harmless_and_mended(
    nats_server: RunningNats, tmp_path: Path, seed: int
) -> None:
    chance, found = random.Random(seed), 0
    before = await filled_log(nats_server, COMMITS)
    await stopped(nats_server, killed=True)
    whole = Path(shutil.copytree(nats_server.home, tmp_path / "whole"))
    for _ in range(TRIALS):
        # Given a store with one change,
        shutil.rmtree(nats_server.home)
        shutil.copytree(whole, nats_server.home)
        files = sorted(path for path in nats_server.home.rglob("EVT/**/*") if path.is_file() and path.stat().st_size)
        blocks = [path for path in files if path.suffix == ".blk"]
        what = damaged(chance.choice(files if chance.random() < 0.3 else blocks), chance)
        # when it starts, then all is there, or the start is refused,
        if not await holds_all(nats_server, before):
            found += 1
            # and the log is mended from its copy.
            await stopped(nats_server, killed=False)
            assert (await restore(Home(nats_server.home))).positions == len(before), what
            assert await holds_all(nats_server, before), what
        await stopped(nats_server, killed=False)
    assert found > TRIALS / 3
