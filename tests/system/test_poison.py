"""A log that holds what some view cannot show, as an earlier release could write it: everything else goes on."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from nats.aio.client import Client
from tests.system.http_client import JOBS, Gateway
from tests.system.test_backup import WAIT_SECONDS, answer, treering
from tests.system.test_points_damage import API, history, logged, steps
from tests.system.up import up
from tests.system.views import until

from treering.adapters.appender import Appender
from treering.adapters.jetstream_log import JetStreamLog
from treering.adapters.nats_connect import close, connect
from treering.adapters.nats_credentials import read_credential
from treering.adapters.nats_server import NatsServer
from treering.config import Home
from treering.domain.run_messages import RunUpdated
from treering.kernel.log import Commit, encoder
from treering.kernel.points import Points, RunPoints, Series
from treering.kernel.subjects import Address

pytestmark = pytest.mark.anyio
AT = datetime(2026, 1, 1, tzinfo=UTC)
TOO_LARGE = 2**63
# Resources of which the log gets bytes that are no commit; with what has nothing to do with any resource.
NO_COMMITS = ("evt.main.job.broken", "evt.main.node.broken", "evt.main.webhook.broken", "evt.main.run.broken",
              "evt.main.experiment.broken", "evt.other", "evt.a.b.c.d")  # fmt: skip


@asynccontextmanager
async def nats(home: Home, user: str) -> AsyncIterator[Client]:
    """The home's server without the services, and a connection as one of them."""
    server = NatsServer(home.root)
    await server.start()
    try:
        client = await connect(server.url, read_credential(home.root, user), "test-poison")
        yield client
        await close(client)
    finally:
        await server.stop()


async def poison(home: Home, run: str, other: str) -> None:
    """Append to a home that is down what ended it for ever, with the credentials of its services."""
    async with nats(home, "registry") as client:
        log = JetStreamLog(client)
        subject = Address("main", "run", run).subject
        last = (await log.read(subject))[-1]
        before = last.commit()
        body = encoder.encode(
            Commit(
                "p", "p", before.version + 1, AT, "anna", prev=last.hash(),
                events=msgspec.Raw(encoder.encode([RunUpdated("FINISHED", TOO_LARGE)])),
            )
        )  # fmt: skip
        await log.append(subject, body, id="p", expected=last.position)
        for number, subject in enumerate(NO_COMMITS):
            await log.append(subject, b'{"id": \xff' * number, id=f"n{number}", expected=0)
    async with nats(home, "gateway") as client:
        appender = Appender(client)
        points = RunPoints(other, 10_000, 0, 1, "anna", [Series("loss", [0.5], [1], [TOO_LARGE])])
        for body in (encoder.encode(Points("p", AT, [points])), b"no points"):
            await appender.request("met.main.points", body, {})


class Said(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


def ask(home: Home, method: str, path: str, body: Any = None, *, lines: bool = False) -> Said:
    gateway = Gateway(home, [])
    connection = gateway.connection(20.0)
    headers = {**gateway.headers(path), **({"accept": "application/x-ndjson"} if lines else {})}
    try:
        connection.request(method, path, json.dumps(body).encode() if body is not None else None, headers)
        reply = connection.getresponse()
        return Said(reply.status, dict(reply.headers), reply.read())
    finally:
        connection.close()


def get(home: Home, path: str) -> tuple[int, Any]:
    said = ask(home, "GET", path)
    return said.status, json.loads(said.body)


def alerts(home: Home) -> set[tuple[str, str | None, str | None]]:
    """Code, part and resource of each that is raised."""
    _, said = get(home, "/v1/workspaces/main/installations?status=raised&limit=1000")
    states = [one["state"] for one in said["items"]]
    return {(one["code"], one.get("part"), one.get("resource")) for one in states}


async def until_told(home: Home, *expected: tuple[str, str | None, str | None]) -> bool:
    """Wait for alerts of these, and for as many as there are resources of which the log has no commits."""
    return await until(lambda: {*expected} <= (found := alerts(home)) and len(found) >= len(NO_COMMITS), WAIT_SECONDS)


@pytest.fixture
async def poisoned(tmp_path: Path) -> tuple[Home, str, str, str]:
    """A home that does not run, with three runs: a good one, one with a poison event, one with a poison point."""
    home = Home(tmp_path / "home")
    async with up(home.root):
        good, bad, other = logged(home, 2), logged(home, 3), logged(home, 1)
    await poison(home, bad, other)
    return home, good, bad, other


async def test_a_poisoned_home_starts_and_serves_everything_else(poisoned: tuple[Home, str, str, str]) -> None:
    home, good, bad, other = poisoned
    async with up(home.root):
        # What is poisoned is refused with the position, and left out of lists.
        for run in (bad, other):
            status, said = get(home, f"{API}/runs/get?run_id={run}")
            assert status == 503 and "view.incomplete" in json.dumps(said) and "position" in json.dumps(said), said
        status, said = get(home, "/v1/workspaces/main/jobs/broken")
        assert status == 503 and said["code"] == "view.incomplete", said
        # Everything else is read and written as ever.
        assert len(history(home, good)) == 2 * len(steps(0))
        assert get(home, f"{API}/runs/get?run_id={good}")[0] == 200
        new = logged(home, 4)
        assert len(history(home, new)) == 4 * len(steps(0))
        said = ask(home, "POST", f"{API}/runs/search", {"experiment_ids": ["0"], "max_results": 100})
        assert {one["info"]["run_id"] for one in json.loads(said.body)["runs"]} == {good, new}
        assert int(said.headers["treering-incomplete"]) >= 2
        assert get(home, "/v1/workspaces/main/jobs?limit=5")[1]["items"] == []
        # A command on what the registry cannot fold is refused in words; on another it is carried out.
        refused = ask(home, "POST", "/v1/workspaces/main/experiments/broken/create", {})
        assert (refused.status, json.loads(refused.body)["code"]) == (409, "resource.incomplete")
        # A job runs, and a subscriber is told of what lies behind the poison.
        await Gateway(home, []).submit("after", {"command": "true", "environment": {}})
        assert await until(lambda: get(home, f"{JOBS}/after")[1].get("status") == "Completed", WAIT_SECONDS)
        lines = ask(home, "GET", "/v1/events?since=0&follow=false&limit=1000", lines=True).body.splitlines()
        assert {"job/after", f"run/{new}"} <= {json.loads(line).get("subject") for line in lines}
        # It is told: alerts with code, resource and position; readiness, status and figures.
        assert await until_told(
            home, ("view.incomplete", "tracking", f"run/{bad}"), ("view.incomplete", "tracking.met", f"run/{other}")
        )
        assert await until(lambda: "message.undecodable" in {code for code, _, _ in alerts(home)}, WAIT_SECONDS)
        status, said = get(home, "/readyz")
        assert status == 200 and said["parts"]["alerts"]["state"] == "warning"
        status, said = get(home, "/v1/status")
        assert f"run/{bad}" in {one["resource"] for one in said["incomplete"]}
        assert 'treering_view_incomplete{view="tracking"}' in ask(home, "GET", "/metrics").body.decode()
        done = await treering(home, "doctor")
        assert f"run/{bad}" in done.stdout and "NATS refused" not in done.stdout, done.stdout
        assert (await answer(home, "log", "verify"))["ok"]


async def test_a_poisoned_home_is_told_of_once_however_often_it_starts(poisoned: tuple[Home, str, str, str]) -> None:
    home, _, bad, _ = poisoned
    for _ in range(2):
        async with up(home.root):
            assert await until_told(home, ("view.incomplete", "tracking", f"run/{bad}"))
            head = get(home, "/v1/status")[1]["head"]
            _, said = get(home, f"/v1/audit?workspace=main&kind=installation&limit=1000&after={head}")
            resources = [one["data"].get("resource") for one in said["rows"] if one["data"].get("part") == "tracking"]
            assert resources.count(f"run/{bad}") == 1
    # With the home down the doctor computes the views again and names what they leave out.
    done = await treering(home, "doctor")
    assert f"run/{bad}" in done.stdout and "is what the log makes of it" in done.stdout, done.stdout


async def test_a_poisoned_home_is_recopied_backed_up_and_restored(
    poisoned: tuple[Home, str, str, str], tmp_path: Path
) -> None:
    home, good, bad, _ = poisoned
    async with up(home.root):
        assert await until_told(home)
        before = history(home, good)
        done = await treering(home, "backup", str(tmp_path / "backup"))
        assert done.returncode == 0, done.stderr
    done = await treering(home, "log", "recopy", "-y")
    assert done.returncode == 0, done.stderr
    again = Home(tmp_path / "again")
    done = await treering(again, "restore", str(tmp_path / "backup"), "--no-keys")
    assert done.returncode == 0, done.stderr
    async with up(again.root):
        assert history(again, good) == before
        assert get(again, f"{API}/runs/get?run_id={bad}")[0] == 503
        assert (await answer(again, "log", "verify"))["ok"]
