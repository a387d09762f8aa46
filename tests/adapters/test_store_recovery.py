"""A position that was changed so far that no nats-server gets past it: the start says so, and does not wait."""

from __future__ import annotations

from pathlib import Path

import pytest

from treering.adapters.stream_files import HEAD, blocks_of, record_at
from treering.kernel.log import LogDamaged
from treering.testing.nats import RunningNats

pytestmark = pytest.mark.anyio

MESSAGES = 3
FAR = 1 << 40
PATIENCE_SECONDS = 10.0
SUBJECTS = {"EVT": ("registry", "evt.w.job.j"), "MET": ("gateway", "met.w.r"), "LOG": ("executor", "log.w.j.1")}


def move_far(stream: Path) -> Path:
    """One bit of the second position is not what it was; the file it is in."""
    (block,) = blocks_of(stream)
    data = bytearray(block.read_bytes())
    _, first = record_at(bytes(data), 0)
    length, position, time, subject = HEAD.unpack_from(data, first)
    HEAD.pack_into(data, first, length, position ^ FAR, time, subject)
    block.write_bytes(data)
    return block


@pytest.mark.parametrize(
    ("stream", "said", "advice"),
    [
        ("EVT", "position 2 of the log", "treering log restore"),
        ("MET", "position 2 of the stream of metric points", "treering log restore"),
        ("LOG", "position 2 of the stream ", "Move that folder away"),
    ],
)
async def test_a_record_that_claims_a_far_position_is_named_instead_of_a_start_without_end(
    nats_server: RunningNats, stream: str, said: str, advice: str
) -> None:
    user, subject = SUBJECTS[stream]
    client = await nats_server.connect(user)
    for number in range(MESSAGES):
        await client.request(subject, f"{number}".encode(), timeout=PATIENCE_SECONDS)
    await nats_server.server.stop()
    block = move_far(nats_server.home / "nats" / "store" / "jetstream" / "TREERING" / "streams" / stream)
    with pytest.raises(LogDamaged) as refused:
        await nats_server.server.start(timeout_seconds=PATIENCE_SECONDS)
    assert said in str(refused.value) and f"{block}" in str(refused.value) and advice in str(refused.value)
    assert nats_server.server.process is None
