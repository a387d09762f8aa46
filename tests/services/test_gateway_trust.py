"""Who is let in, and what is answered to everybody else."""

from __future__ import annotations

import base64
import re
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from tests.services.gateway_example import SPEC, WS, Api, running_gateway

from treering.adapters.tokens import JobToken, Tokens, TokenUnsafe, mint_job_token
from treering.config import Home
from treering.domain.job_messages import CompleteJob
from treering.kernel.service import Service, ServiceFailed
from treering.kernel.subjects import Address
from treering.testing.nats import RunningNats
from treering_services.base import ServiceBase, states_reader
from treering_services.gateway import service as gateway
from treering_services.gateway.app import Application, TableRoute
from treering_services.gateway.core import Gateway
from treering_services.gateway.guard import Guard
from treering_services.gateway.policy import OPEN
from treering_services.gateway.routes import ROUTES
from treering_services.gateway.tracking_reader import tracking_reader

pytestmark = pytest.mark.anyio
ANYWHERE = {"ws": "w", "kinds": "jobs", "key": "a", "command": "cancel", "digest": "sha256:" + "0" * 64}


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    async with running_gateway(nats_server) as running:
        yield running


def paths() -> list[tuple[str, str]]:
    return [(route.method, filled(route.path)) for route in ROUTES if route.policy is not OPEN]


def filled(path: str) -> str:
    """A path of the table with something in each of its places."""
    return re.sub(r"{(\w+)(:path)?}", lambda place: ANYWHERE.get(place[1], "x"), path)


async def test_no_route_but_the_open_ones_answers_without_a_token(api: Api) -> None:
    for method, path in paths():
        for token in ("", "wrong", "trj.w.a.1." + "0" * 64, "trj..."):
            answer = await api.ask(method, path, token=token)
            assert answer.status == 401, (method, path, token)


async def test_every_route_of_the_application_is_in_the_table_and_has_a_policy(api: Api) -> None:
    client = api.clients["gateway"]
    async with tracking_reader(ServiceBase(api.home, api.nats.urls), client, api.reader.feed) as tracking:
        gateway = Gateway(api.home, [], client, api.reader, tracking, api.tokens, "u_1")
        application = Application(gateway, Guard("127.0.0.1", api.port))
    found = [route.line for route in application.router.routes if isinstance(route, TableRoute)]
    assert found == list(ROUTES) and len(found) == len(application.router.routes)
    assert all(route.policy for route in found)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "localhost", "localhost:1", "2130706433", ""])
async def test_a_request_for_another_host_is_refused(shared_api: Api, host: str) -> None:
    answer = await shared_api.ask("GET", "/healthz", headers={"host": host})
    assert answer.status in (400, 403)
    assert answer.status == 400 or answer.code == "host.forbidden"


async def test_the_names_of_this_machine_are_let_in(api: Api) -> None:
    for name in ("localhost", "127.0.0.1", "[::1]", "LOCALHOST"):
        assert (await api.ask("GET", "/healthz", headers={"host": f"{name}:{api.port}"})).status == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1", "http://localhost.evil"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_no_unsafe_method_is_taken_from_the_page_of_another_site(
    shared_api: Api, method: str, origin: str
) -> None:
    answer = await shared_api.ask(method, f"{WS}/experiments/e/create", {}, {"origin": origin})
    assert (answer.status, answer.code) == (403, "origin.forbidden")


async def test_a_page_of_our_own_may_send_commands(api: Api) -> None:
    answer = await api.ask("POST", f"{WS}/experiments/e/create", {}, {"origin": f"http://localhost:{api.port}"})
    assert answer.status == 201


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "<script>", ""])
async def test_a_body_that_is_not_said_to_be_json_is_refused_and_not_echoed(shared_api: Api, media_type: str) -> None:
    answer = await shared_api.ask("POST", f"{WS}/experiments/e/create", b"{}", {"content-type": media_type})
    assert (answer.status, answer.code) == (415, "request.media_type")
    assert b"script" not in answer.body and answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "body", [b"{", b"[" * 100_000, b'{"description":"\xff"}', b"[]", b'{"description": 1}', b'{"a":' * 5000]
)
async def test_malformed_and_deep_json_is_refused(shared_api: Api, body: bytes) -> None:
    answer = await shared_api.ask("POST", f"{WS}/experiments/e/create", body)
    assert (answer.status, answer.code) == (400, "request.malformed")


async def test_a_body_that_is_too_large_is_refused(api: Api) -> None:
    answer = await api.ask("POST", f"{WS}/experiments/e/create", b" " * 2_000_000)
    assert (answer.status, answer.code) == (413, "request.too_large")


async def test_a_password_is_as_good_as_a_bearer_token(api: Api) -> None:
    basic = "Basic " + base64.b64encode(f"me:{api.tokens.owner}".encode()).decode()
    assert (await api.ask("GET", "/v1/status", headers={"authorization": basic}, token="")).status == 200


async def test_a_job_may_read_itself_and_publish_about_itself_and_no_more(api: Api) -> None:
    job = await api.held("mine")
    await api.submitted("other")
    token = api.tokens.mint_job(job, 1)
    event = {"id": "1", "source": "/treering/w/job/mine", "type": "t", "subject": "job/mine"}
    assert (await api.ask("GET", f"{WS}/jobs/mine", token=token)).status == 200
    assert (await api.ask("POST", f"{WS}/events", event, token=token)).status == 200
    for method, path, body in (
        ("GET", f"{WS}/jobs/other", None),
        ("GET", f"{WS}/jobs/other/logs", None),
        ("GET", f"{WS}/experiments/mine", None),
        ("GET", "/v1/workspaces/v/jobs/mine", None),
        ("GET", f"{WS}/jobs", None),
        ("GET", "/v1/events", None),
        ("POST", f"{WS}/jobs", {"spec": SPEC}),
        ("POST", f"{WS}/jobs/mine/cancel", {}),
        ("POST", f"{WS}/jobs/mine/token", None),
        ("POST", f"{WS}/events", {**event, "id": "2", "subject": "job/other"}),
        ("POST", f"{WS}/events", {**event, "id": "3", "subject": ""}),
        ("POST", f"{WS}/events", {**event, "id": "4", "source": "s"}),
        ("POST", "/v1/workspaces/v/events", event),
        ("POST", "/v1/nodes/join", {"workspace": "w", "node": "n"}),
        ("POST", "/v1/blobs/missing", {"digests": []}),
        ("GET", "/v1/blobs/sha256:" + "0" * 64, None),
    ):
        answer = await api.ask(method, path, body, token=token)
        assert answer.status == 403, (method, path, answer.body)


async def test_the_token_of_an_attempt_ends_with_the_attempt(api: Api) -> None:
    job = await api.held("mine")
    token = mint_job_token(api.home, job, 1)
    assert (await api.ask("GET", f"{WS}/jobs/mine", token=token)).status == 200
    assert (await api.ask("GET", f"{WS}/jobs/mine", token=api.tokens.mint_job(job, 2))).status == 401
    done = await api.send_as("executor", job, CompleteJob(1, "n1"))
    await api.reader.projector.reached(done.position)
    assert (await api.ask("GET", f"{WS}/jobs/mine", token=token)).status == 401


async def test_a_machine_that_joins_gets_what_an_executor_needs_and_tokens_of_jobs_it_holds(api: Api) -> None:
    await api.held("mine")
    await api.submitted("other")
    joined = await api.ask("POST", "/v1/nodes/join", {"workspace": "w", "node": "n1"}, token=api.tokens.join)
    assert joined.json["credential"]["user"] == "executor" and joined.json["nats_urls"] == api.nats.urls
    token = joined.json["token"]
    mine = await api.ask("POST", f"{WS}/jobs/mine/token", token=token)
    assert (await api.ask("GET", f"{WS}/jobs/mine", token=mine.json["token"])).status == 200
    assert (await api.ask("POST", f"{WS}/jobs/other/token", token=token)).status == 403
    assert (await api.ask("GET", f"{WS}/jobs/mine", token=token)).status == 403
    stranger = api.tokens.mint_node("w", "n2")
    assert (await api.ask("POST", f"{WS}/jobs/mine/token", token=stranger)).status == 403
    assert (await api.ask("GET", "/v1/status", token=api.tokens.join)).status == 403


async def test_secrets_are_made_once_and_belong_to_the_owner_alone(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.create()
    first, second = Tokens(home), Tokens(home)
    assert (first.owner, first.join, first.key) == (second.owner, second.join, second.key)
    files = [home.token_file, home.keys / "join-token", home.keys / "job-token.key"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    home.token_file.chmod(0o644)
    with pytest.raises(TokenUnsafe, match="600"):
        Tokens(home)


async def test_a_token_says_only_what_was_signed(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.create()
    tokens = Tokens(home)
    token = tokens.mint_job(Address("a.b", "job", "c%2E.d"), 7)
    assert tokens.read(token) == JobToken("a.b", "c%2E.d", 7)
    head, _, signature = token.rpartition(".")
    for forged in (f"{head}8.{signature}", head, f"trn{head[3:]}.{signature}", f"{head}.", "", "."):
        assert tokens.read(forged) is None


async def test_without_authentication_everybody_is_the_owner_on_loopback(nats_server: RunningNats) -> None:
    async with running_gateway(nats_server, auth=False) as api:
        assert (await api.ask("GET", "/v1/status", token="")).status == 200
        assert (await api.ask("GET", "/v1/status", token="", headers={"host": "evil"})).status == 403


async def test_without_authentication_the_network_is_not_listened_to(nats_server: RunningNats) -> None:
    base = ServiceBase(Home(nats_server.home), nats_server.urls)
    base.home.create()
    async with states_reader(base, "up", await nats_server.connect("gateway")) as reader:
        service = Service(
            "gateway", lambda started: gateway.run(base, reader, started, host="0.0.0.0", port=0, auth=False)
        )
        with pytest.raises(ServiceFailed, match="loopback only"):
            await service.start()


async def test_who_acts_is_written_as_an_id_that_is_not_a_name(api: Api) -> None:
    written = await api.ask("POST", f"{WS}/experiments/e/create")
    seen = await api.ask("GET", f"{WS}/experiments/e?after={written.json['position']}")
    actors = msgspec.json.decode((api.home.keys / "actors.json").read_bytes())
    assert seen.json["created_by"].startswith("u_") and list(actors) == [seen.json["created_by"]]


async def test_a_port_that_is_taken_is_one_clear_line(api: Api) -> None:
    with pytest.raises(ServiceFailed, match=f"cannot listen on 127.0.0.1:{api.port}: Address already in use"):
        gateway.listen("127.0.0.1", api.port)


async def test_small_answers_are_not_held_back() -> None:
    """asyncio turns Nagle's algorithm off only where the listening socket names its protocol."""
    with gateway.listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP
