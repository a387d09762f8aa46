"""What is no CloudEvent 1.0, or too large for one, is refused with the reason, in each mode."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from nats.aio.client import Client
from tests.services.cloud_event_example import BATCH, EVENTS, FIELDS, LEAST, STRUCTURED, api, nats, new_id, sent
from tests.services.gateway_example import Api

from treering.adapters.bus import ask

pytestmark = pytest.mark.anyio
__all__ = ["api", "nats"]  # fixtures


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"time": "2026-01-01T00:00:00"}, "has no offset from UTC"),
        ({"time": "lunchtime"}, "time is 'lunchtime'"),
        ({"time": "2018-04-05T18:31:00+05"}, "time is"),
        ({"source": "a b"}, "no URI reference"),
        ({"source": ""}, "source is empty"),
        ({"source": None}, "source has 0 characters"),
        ({"specversion": None}, "specversion is missing"),
        ({"specversion": "0.3"}, "specversion is '0.3'"),
        ({"type": ""}, "type has 0 characters"),
        ({"id": 25}, "id"),
        ({"subject": ""}, "subject is empty"),
        ({"datacontenttype": ""}, "datacontenttype is empty"),
        ({"datacontenttype": "xyz"}, "must be a media type"),
        ({"datacontenttype": "a/b" + " ;" * 500 + "x"}, "must be a media type"),  # and that is seen at once
        ({"datacontenttype": "a/b" + ' ; a="' * 101}, "must be a media type"),
        ({"dataschema": ""}, "dataschema is empty"),
        ({"dataschema": "/relative"}, "it has no scheme"),
        ({"dataschema": "https://a b"}, "no URI"),
        ({"MyExtension": "bad"}, "'MyExtension' is no name of an attribute"),
        ({"my.extension": "bad"}, "no name of an attribute"),
        ({"my_extension": "bad"}, "no name of an attribute"),
        ({"": "bad"}, "no name of an attribute"),
        ({"\u00e9": 1}, "no name of an attribute"),
        ({"extfloat": 1.5}, "a number with a fraction"),
        ({"extlist": [1]}, "is a list"),
        ({"extobject": {}}, "is an object"),
        ({"extlarge": 2**31}, "whole numbers have 32 bits"),
        ({"extcontrol": "a\x07"}, "U+0007"),
        ({"extlong": "a" * 8193}, "8193 characters"),
        ({f"ext{number}": 1 for number in range(101)}, "101 extension attributes; at most 100"),
        ({"position": 3}, "'position' is an attribute that treering gives"),
        ({"traceparent": "00-1"}, "traceparent"),
        ({"data": "text", "data_base64": "AA=="}, "both data and data_base64"),
        ({"data": None, "data_base64": "AA=="}, "both data and data_base64"),
        ({"data_base64": "AA"}, "no base64"),
        ({"data_base64": "A_-="}, "no base64"),
        ({"data_base64": "AA==\n"}, "no base64"),
        ({"data_base64": "\u00e9\u00e9=="}, "no base64"),
        ({"datacontenttype": "text/plain", "data": {"a": 1}}, "data is no text"),
    ],
)
async def test_what_is_no_cloud_event_is_refused_with_the_reason_alone_and_in_a_batch(
    api: Api, more: dict[str, Any], why: str
) -> None:
    said = {**LEAST, "id": new_id(), **more}
    answer = await api.ask("POST", EVENTS, said, {"content-type": STRUCTURED})
    assert (answer.status, answer.code[:6]) == (400, "event.") and why in answer.json["detail"], answer.body
    good = {**LEAST, "id": new_id()}
    batch = await api.ask("POST", EVENTS, [good, said], {"content-type": BATCH})
    assert (batch.status, batch.json["refused"], batch.json["results"][0].get("code")) == (207, 1, None)
    assert batch.json["results"][1]["detail"] == f"event 1: {answer.json['detail']}"


@pytest.mark.parametrize(
    ("fields", "body", "why"),
    [
        ({"ce-specversion": ""}, b"", "specversion"),
        ({"ce-source": "a%20b"}, b"", "no URI reference"),
        ({"ce-subject": "%C0%A0"}, b"", "no UTF-8"),
        ({"ce-subject": "a%00"}, b"", "control characters"),
        ({"ce-subject": "\xe9"}, b"", "no UTF-8"),
        ({"ce-data": "1"}, b"", "the body is the data"),
        ({"ce-time": "2026-01-01T00:00:00"}, b"", "no offset"),
        ({"ce-my-ext": "1"}, b"", "no name of an attribute"),
        ({"ce-": "1"}, b"", "no name of an attribute"),
        ({"ce-actor": "me"}, b"", "treering gives"),
        ({"ce-datacontenttype": "text/plain"}, b"{}", "by its Content-Type"),
        ({"content-type": "application/json"}, b"{bad", "so the body must be JSON"),
        ({"content-type": "application/json"}, b'{"a":1,"a":2}', "'a' stands twice"),
        ({"content-type": "a/vnd.x+json"}, b"[" * 501 + b"]" * 501, "levels"),
        ({"content-type": "nonsense"}, b"", "must be a media type"),
    ],
)
async def test_what_is_no_event_in_binary_mode_is_refused_with_the_reason(
    api: Api, fields: dict[str, str], body: bytes, why: str
) -> None:
    answer = await sent(api, body, {"content-type": "application/json", **FIELDS, "ce-id": new_id(), **fields})
    assert (answer.status, answer.code[:6]) == (400, "event.") and why in answer.json["detail"], answer.body


@pytest.mark.parametrize("missing", ["specversion", "id", "source", "type"])
async def test_an_event_in_binary_mode_has_what_each_must_have(api: Api, missing: str) -> None:
    fields = {**FIELDS, "ce-id": new_id()}
    del fields[f"ce-{missing}"]
    answer = await sent(api, b"", fields)
    assert answer.status == 400 and missing in answer.json["detail"], answer.body


@pytest.mark.parametrize(
    ("media_type", "body", "status"),
    [
        (BATCH, [], 200),
        (BATCH, {**LEAST, "id": "x"}, 400),
        (STRUCTURED, [{**LEAST, "id": "x"}], 400),
        ("application/cloudevents+xml", b"<event/>", 415),
        ("application/cloudevents+json; charset=utf-16", b"{}", 415),
        ("text/plain", b"hello", 415),
    ],
)
async def test_a_batch_is_a_batch_and_an_event_is_one(api: Api, media_type: str, body: Any, status: int) -> None:
    answer = await api.ask("POST", EVENTS, body, {"content-type": media_type})
    assert answer.status == status, answer.body


@pytest.mark.parametrize(
    ("headers", "body", "why"),
    [
        ({"Content-Type": STRUCTURED}, b"[]", "an array of events"),
        ({"Content-Type": STRUCTURED}, b"{}", "id"),
        ({**FIELDS, "ce-id": "x", "ce-time": "noon"}, b"", "time is 'noon'"),
        ({**FIELDS, "ce-id": "x", "ce-": "1"}, b"", "no name of an attribute"),
        ({"ce-id": "x"}, b"", "ce-specversion"),
        ({"Content-Type": "application/cloudevents+avro"}, b"{}", "CloudEvents are read as"),
    ],
)
async def test_what_is_no_event_over_nats_is_refused_with_the_reason(
    nats: Client, headers: dict[str, str], body: bytes, why: str
) -> None:
    answer = msgspec.json.decode((await nats.request("pub.shop", body, timeout=20, headers=headers)).data)
    assert why in answer["detail"] and answer["code"], answer


async def test_one_limit_holds_in_each_mode_and_is_named(api: Api, nats: Client) -> None:
    most = 921_600
    fields = {**FIELDS, "ce-id": new_id(), "content-type": "application/octet-stream"}
    for body in (b"\xff" * (most + 1), b"\xff" * most, b"\xff" * (most * 3 // 4 + 1000)):  # or too long in base64
        answer = await sent(api, body, fields)
        assert (answer.status, answer.code) == (413, "request.too_large") and str(most) in answer.json["detail"]
    escaped = await sent(api, b'"' * (most // 2 + 1000), {**fields, "content-type": "text/plain"})
    assert (escaped.status, escaped.code) == (413, "request.too_large") and str(most) in escaped.json["detail"]
    numbers = b"[" + b"1e15," * 19_000 + b'"' + b"a" * 700_000 + b'"]'  # in full they are longer
    assert (await sent(api, numbers, {**fields, "content-type": "application/json"})).code == "request.too_large"
    said = msgspec.json.encode({"workspace": "w", "events": [{**LEAST, "id": "n", "data": "a" * (most - 500)}]})
    headers = {f"x{number}": "a" * 100 for number in range(10)}
    assert msgspec.json.decode(await ask(nats, "pub.shop", said, timeout_seconds=20)).get("refused") == 0
    over = msgspec.json.decode((await nats.request("pub.shop", said, timeout=20, headers=headers)).data)
    assert over["code"] == "request.too_large" and str(most) in over["detail"]
    assert (await sent(api, b"\xff" * 690_000, fields)).status == 200
