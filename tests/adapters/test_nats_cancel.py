"""nats-py keeps a cancellation, also one that comes in the same turn of the loop as the answer."""

from __future__ import annotations

import asyncio
import inspect
import sys
from types import ModuleType
from typing import Any

import pytest

from treering.adapters import nats_cancel
from treering.testing.nats import RunningNats

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("module", nats_cancel.MODULES, ids=lambda module: module.__name__)
def test_each_module_of_nats_py_that_waits_does_so_by_the_name_that_is_mended(module: ModuleType) -> None:
    assert "asyncio.wait_for(" in inspect.getsource(module), (
        f"{module.__name__} of nats-py does not call asyncio.wait_for any more: remove it from nats_cancel.MODULES"
    )
    if sys.version_info < (3, 12):
        assert vars(module)["asyncio"].wait_for is nats_cancel.wait_for, (
            f"{module.__name__} of nats-py does not import asyncio as a module any more: nats_cancel.mend must change"
        )


async def test_a_request_that_is_cancelled_as_its_answer_comes_is_cancelled(nats_server: RunningNats) -> None:
    # Given a request under way,
    client: Any = await nats_server.connect("registry")
    await client._init_request_sub()
    asking = asyncio.create_task(client.request("evt.nobody.answers", b"", timeout=60.0))
    await asyncio.sleep(0)
    [answer] = client._resp_map.values()
    # when its answer comes, and it is cancelled in the same turn of the loop,
    answer.set_result("the answer")
    asking.cancel()
    # then it does not go on as if it had not been cancelled.
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_a_wait_ends_at_its_timeout() -> None:
    with pytest.raises(TimeoutError):
        await nats_cancel.wait_for(asyncio.Event().wait(), 0.01)


async def test_a_wait_for_an_answer_ends_at_its_timeout() -> None:
    answer = asyncio.get_running_loop().create_future()
    with pytest.raises(TimeoutError):
        await nats_cancel.wait_for(answer, 0.01)
    assert answer.done()  # whoever brings it later sees that nobody waits
