"""Each log has an epoch of its own from its beginning on."""

from __future__ import annotations

import pytest

from treering.adapters.log_epochs import read_lineage, record_beginning
from treering.adapters.memory_log import MemoryLog
from treering.kernel.epochs import Lineage, check_common, read_id
from treering.kernel.refusal import Refused

pytestmark = pytest.mark.anyio
HEAD = 100


async def begun() -> Lineage:
    log = MemoryLog()
    for _ in range(3):  # each server of a cluster
        await record_beginning(log)
    lineage = await read_lineage(log)
    assert len(lineage.epochs) == 1
    return lineage


def refusal(lineage: Lineage, id: str) -> str:
    place = read_id(id)
    assert place is not None
    try:
        check_common(lineage, place, HEAD, "since")
    except Refused as refused:
        assert refused.more == {"epoch": lineage.current, "head": HEAD, "common": 0}
        return refused.code
    return ""


async def test_a_home_that_was_made_again_is_another_log_to_those_who_saw_the_one_before() -> None:
    before, now = await begun(), await begun()
    assert refusal(now, before.id(5, 0)) == "position.other_log"
    assert refusal(now, before.id(5)) == "position.other_log"


async def test_a_position_without_an_epoch_is_one_of_the_log_as_it_began() -> None:
    now = await begun()
    assert [refusal(now, id) for id in (now.id(5, 0), "5.0", "5", "1:5", "this:5")] == [""] * 5
