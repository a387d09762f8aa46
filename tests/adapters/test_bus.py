"""Requests over NATS: a service that has started to answer is heard by everybody."""

from __future__ import annotations

import pytest

from treering.adapters.bus import Responder, ask
from treering.testing.nats import RunningNats

pytestmark = pytest.mark.anyio


async def echoed(subject: str, body: bytes) -> bytes:
    return body


async def test_a_responder_answers_from_the_moment_it_has_started(nats_server: RunningNats) -> None:
    asker, answering = await nats_server.connect("gateway"), await nats_server.connect("monitor")
    for number in range(200):
        await Responder(answering, f"qry.q{number}", echoed).start()
        assert await ask(asker, f"qry.q{number}", b"here") == b"here", number
