"""CloudEvents' own SDKs publish to us, in each mode, and read what comes out, as to any other receiver."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.services.cloud_event_example import STRUCTURED, api, sent
from tests.services.gateway_example import Api

http = pytest.importorskip("cloudevents.core.bindings.http", reason="the SDK is not installed: make setup-dev")
CloudEvent = pytest.importorskip("cloudevents.core.v1.event").CloudEvent
pytestmark = pytest.mark.anyio
__all__ = ["api"]  # a fixture
JAVASCRIPT = "cloudevents@10.0.0"
SCRIPT = Path(__file__).with_name("cloud_events.mjs")
INSTALL_SECONDS = 120.0
COMMON = {
    "source": "/python", "type": "com.example.python", "subject": "orders/17 \u20ac", "tenant": "a b",
    "time": datetime(2026, 1, 31, tzinfo=UTC), "dataschema": "https://example.com/order",
}  # fmt: skip
DATA: dict[str, tuple[dict[str, Any], Any]] = {
    "json": ({"datacontenttype": "application/json"}, {"n": [1, None], "text": "zw\u00f6lf"}),
    "suffix": ({"datacontenttype": "application/vnd.a+json"}, {"n": 1}),
    "text": ({"datacontenttype": "text/plain"}, "plain"),
    "xml": ({"datacontenttype": "application/xml"}, "<a/>"),
    "bytes": ({"datacontenttype": "application/octet-stream"}, b"\x00\xff\x10"),
    "none": ({}, None),
}


@pytest.mark.parametrize("mode", [http.to_binary_event, http.to_structured_event])
@pytest.mark.parametrize("name", DATA)
async def test_the_sdk_for_python_publishes_and_reads(api: Api, name: str, mode: Any) -> None:
    more, data = DATA[name]
    event = CloudEvent({"specversion": "1.0", "id": f"{name}-{mode.__name__}", **COMMON, **more}, data)
    message = mode(event)
    answer = await sent(api, message.body, message.headers)
    assert answer.status == 200, answer.body
    line = await api.ask("GET", f"/v1/events?since={answer.json['results'][0]['position'] - 1}&limit=1")
    found = http.from_http_event(http.HTTPMessage({"content-type": STRUCTURED}, line.body))
    said = event.get_attributes()
    assert {key: found.get_attributes().get(key) for key in said} == said
    assert found.get_data() == data
    assert found.get_extension("published") is True


async def test_a_batch_of_the_sdk_for_python_is_published(api: Api) -> None:
    events = [
        CloudEvent({"specversion": "1.0", "id": f"batch-{number}", **COMMON}, {"n": number}) for number in range(3)
    ]
    body = b"[" + b",".join(http.to_structured_event(event).body for event in events) + b"]"
    answer = await sent(api, body, {"content-type": "application/cloudevents-batch+json"})
    assert (answer.status, len(answer.json["results"]), answer.json["refused"]) == (200, 3, 0), answer.body


@pytest.fixture(scope="module")
def javascript(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the SDK for JavaScript."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not on this machine")
    folder = tmp_path_factory.mktemp("javascript")
    command = ["npm", "install", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund", JAVASCRIPT]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=INSTALL_SECONDS)
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"{JAVASCRIPT} cannot be installed: {error}")
    return folder


async def test_the_sdk_for_javascript_publishes_and_reads(api: Api, javascript: Path) -> None:
    command = ["node", str(SCRIPT), f"http://127.0.0.1:{api.port}", api.tokens.owner]
    ran = await asyncio.to_thread(
        subprocess.run, command, cwd=javascript, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
    )
    assert ran.returncode == 0, ran.stderr
    found = {event["id"]: event for event in map(msgspec.json.decode, ran.stdout.splitlines())}
    data = {
        "json": {"n": [1, None], "text": "zw\u00f6lf"},
        "untyped": {"n": 1},
        "text": "plain",
        "xml": "<a/>",
        "bytes": [0, 255, 16],
    }
    assert set(found) == {f"{name}-{mode}" for name in data for mode in ("binary", "structured")}
    for id, event in found.items():
        assert event["data"] == data[id.partition("-")[0]], event
        assert event["subject"] == "orders/17" and event["tenant"] == "a" and event["published"] is True
        assert event["dataschema"] == "https://example.com/order" and event["time"].startswith("2026-01-31T12:00:00")
        typed = (3, True) if id.endswith("structured") else ("3", "true")
        assert (event["attempt"], event["dry"]) == typed
