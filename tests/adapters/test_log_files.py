"""A file of the server's store that is gone is named, with the positions that were in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.adapters.log_example import opened_copy, some_entries

from treering.adapters.log_copy import FILE_NAME, BadPosition
from treering.adapters.log_files import folder_of, said_where, scrub_files
from treering.adapters.stream_files import HEAD, SUM_BYTES
from treering.config import Home
from treering.kernel.log import Entry

pytestmark = pytest.mark.anyio
COMMITS, IN_BLOCK = 12, 4


def write_blocks(home: Home, entries: Sequence[Entry]) -> list[Path]:
    """As a nats-server stores them, without the sums, in three blocks."""
    folder = folder_of(home, "EVT") / "msgs"
    folder.mkdir(parents=True)
    for number, first in enumerate(range(0, COMMITS, IN_BLOCK), start=1):
        data = b""
        for entry in entries[first : first + IN_BLOCK]:
            subject = entry.subject.encode()
            rest = subject + entry.body + bytes(SUM_BYTES)
            data += HEAD.pack(HEAD.size + len(rest), entry.position, 0, len(subject)) + rest
        (folder / f"{number}.blk").write_bytes(data)
    return [folder / f"{number}.blk" for number in (1, 2, 3)]


@pytest.mark.parametrize(("block", "first", "last"), [(0, 1, 4), (1, 5, 8)])
async def test_a_block_that_is_gone_is_named_and_not_its_neighbour(
    tmp_path: Path, block: int, first: int, last: int
) -> None:
    home, entries = Home(tmp_path), await some_entries(COMMITS)
    async with opened_copy(home.copy / FILE_NAME, entries) as copy:
        blocks = write_blocks(home, entries)
        assert await scrub_files(home, copy, sums_max=0) == COMMITS
        whole = [said_where(copy.path, "EVT", position) for position in range(1, COMMITS + 1)]
        assert whole == [f" ({blocks[at // IN_BLOCK]})" for at in range(COMMITS)]
        blocks[block].unlink()
        for position in range(first, last + 1):
            assert said_where(copy.path, "EVT", position) == f" ({blocks[block]}, which is gone)"
        said = f"position {first} of .*{re.escape(str(blocks[block]))} .*gone, with positions {first} to {last}"
        with pytest.raises(BadPosition, match=said) as bad:
            await scrub_files(home, copy, sums_max=0)
        assert bad.value.position == first
        others = [position for position in range(1, COMMITS + 1) if not first <= position <= last]
        assert [said_where(copy.path, "EVT", position) for position in others] == [whole[at - 1] for at in others]


async def test_of_a_last_block_that_is_gone_the_positions_are_said(tmp_path: Path) -> None:
    home, entries = Home(tmp_path), await some_entries(COMMITS)
    async with opened_copy(home.copy / FILE_NAME, entries) as copy:
        write_blocks(home, entries)[-1].unlink()
        with pytest.raises(BadPosition, match=r"position 9 .*the last file there ends at position 8"):
            await scrub_files(home, copy, sums_max=0)
