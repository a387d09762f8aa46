"""What was changed on the disk under a running nats-server, which answers from its memory."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from tests.cli.conftest import call
from tests.system.up import up

from treering.adapters.highway_hash import highway_hash_64
from treering.adapters.log_copy import FILE_NAME, BadPosition, LogCopy
from treering.adapters.log_files import folder_of, scrub_files
from treering.adapters.stream_files import HAS_HEADERS, HEAD, blocks_of, key_of, records_of, sum_of
from treering.config import Home

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("data", "hash"), [(b"", 0x907A56DE22C26E53), (b"\0", 0x7EAB43AAC7CDDD78)])
def test_highway_hash_is_that_of_its_authors(data: bytes, hash: int) -> None:
    assert highway_hash_64(bytes(range(32)), data) == hash.to_bytes(8, "little")


async def test_each_byte_changed_under_a_running_server_is_named_by_verify_and_doctor(tmp_path: Path) -> None:
    """One bit each of a position, a time, a body and a sum. Nothing asks the server, which would cut off what it finds,
    until the last of them."""
    home = Home(tmp_path / "home")
    async with up(home.root):
        (block,) = blocks_of(folder_of(home, "EVT"))
        for record in records_of(block, 1, last=True):
            assert sum_of(record, key_of("EVT", block)) == record.sum
        copy = LogCopy(home.copy / FILE_NAME)
        await copy.open()
        try:
            assert await scrub_files(home, copy) > 0
            for at in (4, 14, 200, record_bytes(block) - 1):
                flip(block, at)
                with pytest.raises(BadPosition, match=re.escape(str(block))):
                    await scrub_files(home, copy)
                flip(block, at)
        finally:
            await copy.close()
        flip(block, 200)
        checked = await asyncio.to_thread(call, home.root, "doctor")
        assert checked.returncode == 1 and str(block) in checked.stdout
        verified = await asyncio.to_thread(call, home.root, "log", "verify")
        assert verified.returncode == 1 and "position 1 " in verified.stderr


def record_bytes(block: Path) -> int:
    """The size of the first record."""
    return int(HEAD.unpack_from(block.read_bytes())[0]) & ~HAS_HEADERS


def flip(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        (byte,) = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ 1]))
