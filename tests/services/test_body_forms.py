"""What a header says about the body is done or refused, at every door, and never passed over."""

from __future__ import annotations

import gzip

import pytest
from tests.services.gateway_example import WS, Api

pytestmark = pytest.mark.anyio
EVENT = {"id": "1", "source": "/ci", "type": "build.done", "specversion": "1.0", "data": {"n": 1}}
STRUCTURED, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
DOORS = [
    ("POST", f"{WS}/jobs"),
    ("POST", f"{WS}/events"),
    ("POST", "/v1/blobs/missing"),
    ("PUT", f"/v1/blobs/sha256:{'0' * 64}"),
    ("POST", "/api/2.0/mlflow/runs/create"),
    ("PUT", "/api/2.0/mlflow-artifacts/artifacts/0/x/artifacts/file"),
]


def status_at(path: str) -> int:
    return 400 if path.startswith("/api/") else 415  # MLflow's clients know no 415


@pytest.mark.parametrize(("method", "path"), DOORS)
async def test_a_packed_body_is_refused(shared_api: Api, method: str, path: str) -> None:
    answer = await shared_api.ask(method, path, gzip.compress(b"{}"), {"content-encoding": "gzip"})
    assert answer.status == status_at(path) and b"Content-Encoding is 'gzip'" in answer.body, answer.body


@pytest.mark.parametrize("charset", ["utf-16", '"UTF-16"', "latin1", ""])
@pytest.mark.parametrize(("method", "path"), [door for door in DOORS if door[0] == "POST"])
async def test_a_text_in_another_charset_is_refused(shared_api: Api, method: str, path: str, charset: str) -> None:
    answer = await shared_api.ask(method, path, {}, {"content-type": f"application/json; charset={charset}"})
    assert answer.status == status_at(path) and b"charset" in answer.body, answer.body


async def test_identity_and_utf_8_are_what_is_read_anyway(shared_api: Api) -> None:
    fields = {"content-encoding": "identity", "content-type": 'Application/JSON; a=b; Charset="UTF-8"'}
    assert (await shared_api.ask("POST", "/v1/blobs/missing", {"digests": []}, fields)).status == 200


@pytest.mark.parametrize(
    ("media_type", "body", "fields"),
    [
        (STRUCTURED, EVENT, {"ce-id": "2"}),
        (STRUCTURED, EVENT, {"ce-source": "/other", "ce-id": "1"}),
        (STRUCTURED, EVENT, {"ce-extension": "x"}),
        (BATCH, [EVENT], {"ce-id": "1"}),
        (STRUCTURED, EVENT, {"ce-type": "build.done", "ce-id": "%C0%A0"}),
    ],
)
async def test_fields_of_an_event_that_do_not_repeat_the_body_are_refused(
    shared_api: Api, media_type: str, body: object, fields: dict[str, str]
) -> None:
    answer = await shared_api.ask("POST", f"{WS}/events", body, {"content-type": media_type, **fields})
    assert (answer.status, answer.code) == (400, "event.headers"), answer.body


async def test_fields_of_an_event_that_repeat_the_body_are_taken(shared_api: Api) -> None:
    event = {**EVENT, "id": "repeated \u20ac"}
    fields = {"content-type": STRUCTURED, "ce-id": "repeated%20%E2%82%AC", "CE-Source": "/ci", "ce-type": "build.done"}
    answer = await shared_api.ask("POST", f"{WS}/events", event, fields)
    assert answer.status == 200, answer.body
