"""What ends a service is told as what it is."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from treering.config import Home
from treering.kernel.service import ServiceFailed
from treering_services.base import ServiceBase

pytestmark = pytest.mark.anyio


async def failing(why: str) -> None:
    raise ValueError(why)


async def test_a_view_that_cannot_go_on_is_named_as_the_cause_and_nats_is_not(tmp_path: Path) -> None:
    base = ServiceBase(Home(tmp_path), [])
    base.ends_with("the tracking view", asyncio.create_task(failing("the file is not a database")))
    with pytest.raises(ServiceFailed, match=r"^the tracking view stopped: the file is not a database$"):
        await base.work(lambda: None)


async def test_what_nats_refused_is_told_as_that_and_the_first_reason_stays(tmp_path: Path) -> None:
    base = ServiceBase(Home(tmp_path), [])
    base.refused("no permission for evt.>")
    base.end("something that followed from it")
    with pytest.raises(ServiceFailed, match=r"^NATS refused this service: no permission for evt\.>$"):
        await base.work(lambda: None)
