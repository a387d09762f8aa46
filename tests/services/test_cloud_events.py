"""Whatever CloudEvents 1.0 allows is published in each of its modes, and comes out as it went in."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import msgspec
import pytest
from nats.aio.client import Client
from tests.services.cloud_event_example import (
    BATCH,
    EVENTS,
    FIELDS,
    LEAST,
    STRUCTURED,
    api,
    binary,
    nats,
    new_id,
    same,
    sent,
    structured,
    told,
)
from tests.services.gateway_example import WS, Api

pytestmark = pytest.mark.anyio
__all__ = ["api", "nats"]  # fixtures


async def test_an_event_with_every_attribute_comes_out_as_it_went_in(api: Api) -> None:
    said = {
        "subject": "orders/17 \u20ac", "time": "2018-04-05T17:31:00+01:00", "dataschema": "https://example.com/order",
        "datacontenttype": "application/json; charset=utf-8", "data": {"n": [1, None]}, "cause": "cart-3",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=b",
        "extinteger": -(2**31), "extboolean": False, "extstring": "text \U0001f600", "extbinary": "TWE=",
        "exturi": "https://cloudevents.io", "exturiref": "//authority/path", "exttimestamp": "2023-03-31T15:12:00Z",
        "partitionkey": "", "sequence": "00017",
    }  # fmt: skip
    same(await structured(api, **said), **said, published=True)


@pytest.mark.parametrize(
    ("data", "told_data"),
    [
        ({}, {}),
        ({"data": None}, {"data": None, "datacontenttype": "application/json"}),
        ({"data": "plain"}, {"data": "plain", "datacontenttype": "application/json"}),
        ({"data": 0}, {"data": 0}),
        ({"datacontenttype": "text/plain"}, {"datacontenttype": "text/plain"}),
        ({"datacontenttype": "text/plain", "data": "Simple text"}, {"data": "Simple text"}),
        ({"datacontenttype": "APPLICATION/JSON", "data": [1]}, {"datacontenttype": "APPLICATION/JSON", "data": [1]}),
        ({"datacontenttype": "application/vnd.a+json;v=1", "data": {"a": 1}}, {"data": {"a": 1}}),
        ({"datacontenttype": "application/xml", "data": '<much wow="xml"/>'}, {"data": '<much wow="xml"/>'}),
        ({"datacontenttype": "image/png", "data_base64": "iVBORw=="}, {"data_base64": "iVBORw=="}),
        ({"data_base64": ""}, {"data_base64": ""}),
        ({"datacontenttype": "application/json", "data_base64": "eyJhIjoxfQ=="}, {"data_base64": "eyJhIjoxfQ=="}),
    ],
)
async def test_data_of_any_type_comes_out_as_it_went_in(
    api: Api, data: dict[str, Any], told_data: dict[str, Any]
) -> None:
    found = await structured(api, **data)
    same(found, **told_data)
    assert {"data", "data_base64"} & set(found) == {"data", "data_base64"} & set(data)
    assert ("datacontenttype" in found) == ("data" in data or "datacontenttype" in data)


async def test_an_optional_attribute_that_is_null_is_not_there(api: Api) -> None:
    names = ("datacontenttype", "dataschema", "subject", "data_base64", "cause", "traceparent", "myextension")
    found = await structured(api, **dict.fromkeys(names))
    assert not (set(names) - {"traceparent"}) & set(found)


@pytest.mark.parametrize(
    "media_type",
    [
        "Application/CloudEvents+JSON",
        "application/cloudevents+json; charset=UTF-8",
        'application/cloudevents+json;charset="utf-8"; a=b',
    ],
)
async def test_the_media_type_of_an_event_is_read_in_any_case_and_with_parameters(api: Api, media_type: str) -> None:
    same(await structured(api, media_type, data=1), data=1)


@pytest.mark.parametrize(
    ("content_type", "body", "told_data"),
    [
        ("application/json", b'{"a": [1]}', {"data": {"a": [1]}}),
        ("application/json; charset=utf-8", b"null", {"data": None}),
        ("text/plain", "zw\u00f6lf".encode(), {"data": "zw\u00f6lf"}),
        ("Text/XML", b"<a/>", {"data": "<a/>"}),
        ("application/x-www-form-urlencoded", b"a=1&b=2", {"data": "a=1&b=2"}),
        ("application/octet-stream", b"\x00\xff", {"data_base64": "AP8="}),
        ("text/plain; charset=latin1", b"\xe9", {"data_base64": "6Q=="}),
        ("text/plain", b"\xe9", {"data_base64": "6Q=="}),
        ("application/json; charset=utf-16", b"1\x00", {"data_base64": "MQA="}),
        ("image/png", b"", {"data_base64": None, "data": None}),
    ],
)
async def test_the_body_in_binary_mode_is_the_data(
    api: Api, content_type: str, body: bytes, told_data: dict[str, Any]
) -> None:
    same(await binary(api, body, content_type), datacontenttype=content_type, **told_data)


async def test_a_body_without_a_type_is_json(api: Api) -> None:
    same(await binary(api, b'"text"', None), data="text", datacontenttype="application/json")
    said = await binary(api, b"<a/>", None, {"ce-datacontenttype": "application/xml"})
    same(said, data="<a/>", datacontenttype="application/xml")


async def test_the_fields_in_binary_mode_are_the_attributes(api: Api) -> None:
    fields = {
        "ce-subject": "Euro%20%E2%82%AC%20%F0%9F%98%80", "CE-Time": "2018-04-05T03:56:24Z",
        "ce-dataschema": "https://example.com/s?a=%2525", "ce-quoted": '"a \\"b\\" %63"', "ce-half": "100%",
        "ce-raw": "zw\u00f6lf".encode().decode("latin-1"), "ce-number": "5", "ce-extra": "a b",
    }  # fmt: skip
    same(
        await binary(api, b"{}", "application/json", fields),
        subject="Euro \u20ac \U0001f600", time="2018-04-05T03:56:24Z", dataschema="https://example.com/s?a=%25",
        quoted='a "b" c', half="100%", raw="zw\u00f6lf", number="5", extra="a b", data={}, specversion="1.0",
    )  # fmt: skip


@pytest.mark.parametrize(
    "subject", ["orders/17", "job/a b", "jobs/none", "a", "https://example.com/x", "job/", "/job/x"]
)
async def test_a_subject_that_names_no_resource_of_ours_is_free(api: Api, subject: str) -> None:
    same(await structured(api, subject=subject), subject=subject)


async def test_a_subject_that_would_be_a_resource_of_ours_must_be_one(api: Api) -> None:
    said = {**LEAST, "id": new_id(), "subject": "job/none"}
    answer = await api.ask("POST", EVENTS, said, {"content-type": STRUCTURED})
    assert answer.code == "event.subject_absent" and "write another one" in answer.json["detail"]


async def test_an_event_said_again_in_another_mode_is_the_same_and_with_another_content_it_is_not(api: Api) -> None:
    id = new_id()
    one = {**LEAST, "id": id, "tenant": "a", "data": {"b": 1, "a": 2}}
    fields = {**FIELDS, "ce-id": id, "ce-tenant": "a", "content-type": "application/json"}
    first = (await api.ask("POST", EVENTS, one, {"content-type": STRUCTURED})).json["results"][0]
    again = (await sent(api, b'{"a":2,"b":1}', fields)).json["results"][0]
    assert again == {**first, "duplicate": True}
    for other, name in (
        ({"tenant": "b"}, "extension attributes"),
        ({"datacontenttype": "a/b+json"}, "datacontenttype"),
    ):
        answer = await api.ask("POST", EVENTS, {**one, **other}, {"content-type": STRUCTURED})
        assert answer.code == "event.conflict" and name in answer.json["detail"]


async def test_a_registered_schema_judges_data_in_each_mode(api: Api) -> None:
    schema = {"schema": {"type": "object", "required": ["n"]}}
    await api.ask("POST", f"{WS}/event_schemas/judged/create", schema)
    good, bad = b'{"n":1}', b"{}"
    for body, status in ((good, 200), (bad, 400)):
        encoded = base64.b64encode(body).decode()
        event = {**LEAST, "type": "judged", "datacontenttype": "application/json", "dataschema": "https://a.b/c"}
        as_bytes = await api.ask("POST", EVENTS, {**event, "id": new_id(), "data_base64": encoded})
        fields = {**FIELDS, "ce-id": new_id(), "ce-type": "judged", "content-type": "application/json"}
        assert as_bytes.status == (await sent(api, body, fields)).status == status, as_bytes.body
    opaque = {**LEAST, "id": new_id(), "type": "judged", "datacontenttype": "image/png", "data_base64": "AA=="}
    assert (await api.ask("POST", EVENTS, opaque)).code == "event.schema_mismatch"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Type": STRUCTURED}, {**LEAST, "id": "1n", "data": {"a": 1}, "tenant": "t"}),
        ({"content-type": "Application/CloudEvents+json; a=b"}, {**LEAST, "id": "1n", "data": {"a": 1}, "tenant": "t"}),
        ({}, {**LEAST, "id": "1n", "data": {"a": 1}, "tenant": "t"}),
        ({"Content-Type": BATCH}, [{**LEAST, "id": "1n", "data": {"a": 1}, "tenant": "t"}]),
        ({**FIELDS, "ce-id": "1n", "ce-tenant": "%74", "ce-datacontenttype": "application/json"}, {"a": 1}),
        ({**FIELDS, "CE-ID": "1n", "ce-tenant": "t", "Content-Type": "application/json"}, {"a": 1}),
    ],
)  # fmt: skip
async def test_each_mode_goes_over_nats_too(api: Api, nats: Client, headers: dict[str, str], body: Any) -> None:
    answer = await nats.request("pub.shop", msgspec.json.encode(body), timeout=20, headers=headers)
    result = msgspec.json.decode(answer.data)
    assert result.get("refused") == 0, result
    same(await told(api, result["results"][0]["position"]), data={"a": 1}, tenant="t", actor="publisher:shop")


async def test_an_event_over_nats_needs_no_answer(api: Api, nats: Client) -> None:
    head = (await api.ask("GET", "/v1/status")).json["head"]
    watching = asyncio.create_task(api.events(f"/v1/events?since={head}&kind=event", 1))
    headers = {**FIELDS, "ce-id": new_id(), "ce-datacontenttype": "application/json"}
    await nats.publish("pub.shop", b'{"a":1}', headers=headers)
    (found,) = await watching
    assert msgspec.json.decode(found["data"])["data"] == {"a": 1}
