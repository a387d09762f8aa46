"""How far a job is: said by its node with a renewal, kept by the scheduler, shown by the gateway and by ``stuck``."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.services.gateway_example import WS, Api, running_gateway
from tests.services.test_scheduler_plan import held

from treering.adapters.bus import ask
from treering.kernel.lease import Renew
from treering.kernel.log import encoder
from treering.kernel.progress import Progress, ProgressQuery
from treering.kernel.service import Service
from treering.testing.nats import RunningNats
from treering_services.base import ServiceBase
from treering_services.monitor import service as monitor
from treering_services.scheduler import service as scheduler
from treering_services.scheduler.board import Board
from treering_services.scheduler.progress import ProgressBoard

pytestmark = pytest.mark.anyio
STILL = Progress("j", 1, "inputs", 200.0, 150.0, 5, 10, "bytes", "5 B of 10 B")


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    """With a monitor, and a job that node n1 holds; the scheduler comes when it is held."""
    async with running_gateway(nats_server) as api:
        await api.held("j")
        base = ServiceBase(api.home, api.nats.urls)
        services = [
            Service("monitor", lambda started: monitor.run(base, started)),
            Service("scheduler", lambda started: scheduler.run(base, api.reader, started)),
        ]
        for service in services:
            await service.start()
        yield api
        for service in services:
            await service.stop()


async def renew(api: Api, *progress: Progress) -> None:
    said = Renew("w", "n1", "i1", 1, (("j", 1),), 0, progress)
    await ask(await api.nats.connect("executor"), "lease.renew", encoder.encode(said))


async def test_a_step_that_lasts_is_shown_with_how_far_it_is(api: Api) -> None:
    await renew(api, STILL)
    shown = (await api.ask("GET", f"{WS}/jobs/j/progress")).json
    said = shown["progress"]
    assert (shown["node"], said["step"], said["text"], said["done"], said["total"]) == (
        "n1",
        "inputs",
        "5 B of 10 B",
        5,
        10,
    )


async def test_a_step_that_does_not_go_on_is_stuck(api: Api) -> None:
    await renew(api, STILL)
    rows = (await api.ask("GET", "/v1/stuck?workspace=w")).json["rows"]
    assert [(row["name"], row["problem"], row["status"]) for row in rows] == [("j", "still", "inputs")]
    assert "5 B of 10 B" in rows[0]["why"]


async def test_a_job_that_no_node_will_take_is_stuck_at_once(api: Api) -> None:
    await api.ask("POST", f"{WS}/computes/gpu/create", {})
    await api.submitted("alone", compute="gpu")
    await api.submitted("queued")  # on a compute with a node that is busy
    rows = (await api.ask("GET", "/v1/stuck?workspace=w")).json["rows"]
    assert [(row["name"], row["problem"], row["status"]) for row in rows] == [("alone", "waiting", "Queued")]
    assert (
        "no node of compute gpu is online: `treering service executor -w w --node NAME --compute gpu`" in rows[0]["why"]
    )
    assert (await api.ask("GET", "/v1/stuck?workspace=w&waiting_seconds=0.000001")).json["rows"] != rows


async def test_a_job_whose_compute_was_deleted_is_stuck_for_that_reason(api: Api) -> None:
    await api.ask("POST", f"{WS}/computes/gpu/create", {})
    await api.submitted("alone", compute="gpu")
    await api.ask("POST", f"{WS}/computes/gpu/delete", {})
    rows = (await api.ask("GET", "/v1/stuck?workspace=w")).json["rows"]
    assert [row["why"] for row in rows] == [
        "compute gpu was deleted: `treering compute create -n gpu` makes it again, "
        "`treering job cancel alone` ends the job"
    ]


@pytest.mark.parametrize(
    "progress", [(), (Progress("j", 1, "inputs", 200.0, 3.0),), (Progress("j", 1, "running", 9000.0, 9000.0),)]
)
async def test_a_step_that_goes_on_or_has_no_figure_is_not_stuck(api: Api, progress: tuple[Progress, ...]) -> None:
    await renew(api, *progress)
    assert (await api.ask("GET", "/v1/stuck?workspace=w")).json["rows"] == []


async def test_without_a_scheduler_everything_else_is_shown(nats_server: RunningNats) -> None:
    async with running_gateway(nats_server) as api:
        await api.held("j")
        assert (await api.ask("GET", f"{WS}/jobs/j/progress")).json["progress"] is None


def test_only_attempts_that_their_node_still_holds_are_told_and_silence_counts() -> None:
    board, said = Board(), ProgressBoard()
    held(board, "j", "n1")
    said.hear(Renew("main", "n1", "i1", 1, (), 0, (STILL, Progress("gone", 1, "inputs", 5.0))), 100.0)
    said.hear(Renew("main", "n2", "i2", 1, (), 0, (STILL,)), 100.0)
    rows = said.answer(board, ProgressQuery(), 103.0).rows
    assert [(row.node, row.progress.job, row.progress.still_seconds) for row in rows] == [("n1", "j", 153.0)]
    said.hear(Renew("main", "n1", "i1", 1), 104.0)
    assert said.answer(board, ProgressQuery(), 104.0).rows == []
