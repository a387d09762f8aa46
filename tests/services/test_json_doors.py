"""JSON is read in one way at every door: what one reader would take otherwise than another is refused by all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

import msgspec
import pytest
from tests.services.gateway_example import WS, Api, running_gateway

from treering.adapters.bus import ask
from treering.adapters.nats_accounts import add_publisher, add_subscriber
from treering.cli.event_schema import read
from treering.cli.events import parsed
from treering.kernel.asking import Asker
from treering.kernel.bounds import DEPTH_MAX, VALUES_MAX
from treering.kernel.refusal import Refused
from treering.testing.nats import RunningNats
from treering_services.gateway.http.bodies import LARGE_BYTES, Bodies
from treering_services.gateway.routes import ROUTES

pytestmark = pytest.mark.anyio
DEEP = DEPTH_MAX + 1
# (the value of a field, what the refusal says); whatever field it is.
BAD: dict[str, tuple[bytes, str]] = {
    "a name twice": (b'{"a":1,"a":1}', "stands twice"),
    "a name twice, once escaped": (b'{"a":1,"\\u0061":2}', "stands twice"),
    "no UTF-8": (b'"\xff"', "not UTF-8"),
    "half a character as bytes": (b'"\xed\xa0\x80"', "not UTF-8"),
    "half a character escaped": (b'"\\ud800"', "half a character"),
    "the other half escaped": (b'"x\\udc00"', "half a character"),
    "half a character in a name": (b'{"\\ud800":1}', "half a character"),
    "out of range": (b"1e999", "out of range"),
    "a comma too many": (b"[1,]", ""),
    "a comment": (b"1 // one", ""),
    "other quotes": (b"'a'", ""),
    "a leading zero": (b"01", ""),
    "a raw control character": (b'"\x01"', ""),
    "not closed": (b'["a"', ""),
}
# What MLflow's clients may send, and nobody else.
NOT_ELSEWHERE: dict[str, tuple[bytes, str]] = {
    "NaN": (b"NaN", "NaN"), "Infinity": (b"Infinity", "Infinity"), "-Infinity": (b"[-Infinity]", "Infinity"),
}  # fmt: skip
# What is JSON, and no value of a field of any shape.
TOO_MUCH: dict[str, tuple[bytes, str]] = {
    "lists": (b"[" * DEEP + b"]" * DEEP, "levels"),
    "objects": (b'{"a":' * DEEP + b"0" + b"}" * DEEP, "levels"),
    "lists and objects": (b'[{"a":' * (DEEP // 2) + b"[]" + b"}]" * (DEEP // 2), "levels"),
    "lists no stack can hold": (b"[" * 15_000 + b"]" * 15_000, "too deeply"),
    "many values": (b"[" + b"0," * VALUES_MAX + b"0]", "values"),
    "2^63": (b"9223372036854775808", "64 bits"),
    "-2^63-1": (b"[-9223372036854775809]", "64 bits"),
    "5000 digits": (b"1" * 5000, "out of range"),
}
OTHER_WORDS = ("a native route", "a batch", "sub")  # for a value that is of another type too
FITS = (
    b"[" * DEPTH_MAX + b"]" * DEPTH_MAX,
    b"9223372036854775807",
    b"-9223372036854775808",
    b"1e308",
    b'"\\ud83d\\ude00"',
)


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    await add_publisher(nats_server.home, "ci", "w")
    await add_subscriber(nats_server.home, "dash", "w")
    async with running_gateway(nats_server) as running:
        yield running


def event(value: bytes) -> bytes:
    return b'{"id":"1","source":"/ci","type":"a.b","data":' + value + b"}"


async def posted(api: Api, path: str, body: bytes) -> str:
    """What is said of ``body``, "" when it is taken."""
    answer = await api.ask("POST", path, body)
    assert answer.status < 300 or answer.status == 400, (body, answer)
    return "" if answer.status < 300 else str(answer.json.get("detail") or answer.json["message"])


async def said_over_nats(api: Api, user: str, subject: str, body: bytes) -> str:
    answer = msgspec.json.decode(await ask(await api.nats.connect(user), subject, body, timeout_seconds=20.0))
    results: list[dict[str, Any]] = answer.get("results", [answer])
    return str(results[0].get("detail", ""))


def read_by_the_command_line(reader: Any, body: bytes) -> str:
    try:
        reader(body)
    except Refused as refused:
        return refused.detail
    return ""


def schema_in(body: bytes) -> Any:
    file = BytesIO(body)
    file.name = "schema.json"  # as click opens it
    return read(file)


async def test_what_is_no_json_or_says_two_things_is_refused_at_every_door(api: Api) -> None:
    for name, (value, why) in {**BAD, **NOT_ELSEWHERE}.items():
        said = {
            "a native route": await posted(api, f"{WS}/experiments/e/create", b'{"tags":' + value + b"}"),
            "an event": await posted(api, f"{WS}/events", event(value)),
            "a batch": await posted(api, f"{WS}/events", b"[" + event(value) + b"]") or "207",
            "pub": await said_over_nats(
                api, "publisher-ci", "pub.ci", b'{"workspace":"w","events":[' + event(value) + b"]}"
            ),
            "sub": await said_over_nats(api, "subscriber-dash", "sub.dash", b'{"since":' + value + b"}"),
            "schema create": read_by_the_command_line(schema_in, b'{"const":' + value + b"}"),
            "events publish": read_by_the_command_line(parsed, event(value)),
            "events publish of lines": read_by_the_command_line(parsed, event(b"1") + b"\n" + event(value)),
        }
        if name in BAD:
            path = "/api/2.0/mlflow/experiments/create"
            field = b'{"name":"m","tags":[{"key":"k","value":' + value + b"}]}"
            said["MLflow"] = await posted(api, path, field)
            twice = msgspec.json.encode(field.decode("utf-8", "replace"))
            said["MLflow, encoded twice"] = why if "UTF-8" in why else await posted(api, path, twice)
            skipped = await posted(api, path, b'{"name":"m","other":' + value + b"}")
            said["MLflow, a field that it does not know"] = skipped or ("number" if name == "out of range" else "")
        for door, detail in said.items():
            assert detail and (why in detail or door in OTHER_WORDS or "MLflow" in door), (name, door, detail)
    for workspace in (await api.ask("GET", f"{WS}/events"), await api.ask("GET", f"{WS}/experiments")):
        assert workspace.json["items"] == []


async def test_a_byte_order_mark_or_another_encoding_is_refused_at_every_door(api: Api) -> None:
    for encoding in ("utf-8-sig", "utf-16", "utf-32"):
        here = {"event": event(b"1").decode().encode(encoding), "mlflow": '{"name":"m"}'.encode(encoding)}
        pub = '{"workspace":"w","events":[{"id":"1","source":"/ci","type":"a.b"}]}'.encode(encoding)
        said = [
            await posted(api, f"{WS}/events", here["event"]),
            await posted(api, f"{WS}/experiments/e/create", "{}".encode(encoding)),
            await posted(api, "/api/2.0/mlflow/experiments/create", here["mlflow"]),
            await said_over_nats(api, "publisher-ci", "pub.ci", pub),
            await said_over_nats(api, "subscriber-dash", "sub.dash", "{}".encode(encoding)),
            read_by_the_command_line(schema_in, "{}".encode(encoding)),
            read_by_the_command_line(parsed, here["event"]),
        ]
        assert all(said), (encoding, said)


async def test_a_value_of_any_shape_is_bounded_alike_at_every_door(api: Api) -> None:
    for name, (value, why) in TOO_MUCH.items():
        said = [
            await posted(api, f"{WS}/events", event(value)),
            await said_over_nats(api, "publisher-ci", "pub.ci", b'{"workspace":"w","events":[' + event(value) + b"]}"),
            await posted(api, f"{WS}/event_schemas/a.b/create", b'{"schema":{"const":' + value + b"}}"),
        ]
        assert all(why in one for one in said), (name, said)
    for number, value in enumerate(FITS):
        body = event(value).replace(b'"id":"1"', b'"id":"%d"' % number)
        assert await posted(api, f"{WS}/events", body) == "", value[:40]
        assert parsed(body)


async def test_a_field_of_a_query_string_is_said_once_and_in_utf_8(api: Api) -> None:
    for query, why in {"kind=job&kind=run": "'kind' is said twice", "kind=%ff": "utf-8"}.items():
        answer = await api.ask("GET", f"/v1/events?{query}")
        assert (answer.status, answer.code) == (400, "request.query") and why in answer.json["detail"], query


GIVEN = {
    "limit=abc": "`$.limit`, given 'abc'",
    "foo=1": "unknown field `foo`, given '1'",
    f"{'n' * 500}={'v' * 500}": f"`{'n' * 80}`, given 500 characters that begin with '{'v' * 80}'",
}


async def test_what_was_given_for_a_field_of_a_query_string_that_is_refused_is_said_by_every_route(api: Api) -> None:
    names = {"ws": "w", "kinds": "jobs", "key": "j", "digest": f"sha256:{'0' * 64}"}
    names |= {"label": "l", "sort": "s", "position": "1", "name": "n", "id": "i"}
    lines = [line for line in ROUTES if line.method == "GET" and line.path.startswith("/v1/")]
    for query, given in GIVEN.items():
        answers = [await api.ask("GET", f"{line.path.format(**names)}?{query}") for line in lines]
        said = [one.json["detail"] for one in answers if one.code == "request.query"]
        abc = [one for one in said if "unknown field" not in one] if query == "limit=abc" else said
        assert len(abc) > 5 and all(given in one for one in abc), (query, said)


async def test_a_body_of_too_many_values_is_refused_at_every_door_whatever_it_is_about(api: Api) -> None:
    many = b"[" + b"0," * VALUES_MAX + b"0]"
    said = [
        await posted(api, "/api/2.0/mlflow/runs/create", b'{"other":' + many + b"}"),
        await posted(api, "/api/2.0/mlflow/runs/create", msgspec.json.encode('{"other":' + many.decode() + "}")),
        await posted(api, "/api/2.0/mlflow/runs/log-batch", b'{"run_id":"r","metrics":' + many + b"}"),
        await posted(api, f"{WS}/experiments/e/create", b'{"other":' + many + b"}"),
        await posted(api, f"{WS}/events", event(many)),
        await said_over_nats(api, "publisher-ci", "pub.ci", b'{"workspace":"w","events":[' + event(many) + b"]}"),
    ]
    assert all(f"more than {VALUES_MAX} values" in one for one in said), said


async def test_a_name_twice_around_the_events_is_refused_and_escapes_within_are_taken(api: Api) -> None:
    ask_for = ("publisher-ci", "pub.ci")
    good = b'{"workspace":"w","events":[' + event(b'"\\u00e9 \\"events\\":"') + b"]}"
    assert await said_over_nats(api, *ask_for, good) == ""
    for twice in (b'"events":[]', b'"\\u0065vents":[]', b'"workspace":"w"'):
        assert "stands twice" in await said_over_nats(api, *ask_for, b"{" + twice + b"," + good[1:]), twice
        assert "stands twice" in await said_over_nats(api, *ask_for, good[:-1] + b"," + twice + b"}"), twice


async def test_a_large_body_takes_its_turn_at_every_door(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    turn = Bodies.turn

    async def seen_turn(self: Bodies, asker: Asker, size_bytes: int) -> None:
        if size_bytes > LARGE_BYTES:
            seen.append(asker.caller)
        await turn(self, asker, size_bytes)

    monkeypatch.setattr(Bodies, "turn", seen_turn)
    large = b'"' + b"x" * LARGE_BYTES + b'"'
    for path, body in {
        f"{WS}/events": event(large),
        f"{WS}/experiments/e/create": b'{"tags":{"a":' + large + b"}}",
        "/api/2.0/mlflow/experiments/create": b'{"name":"m","artifact_location":' + large + b"}",
        "/api/2.0/mlflow/runs/search": b'{"filter":' + large + b"}",
    }.items():
        await posted(api, path, body)
        assert [one.partition(":")[0] for one in seen] == ["owner"], path
        seen.clear()
    await said_over_nats(api, "publisher-ci", "pub.ci", b'{"workspace":"w","events":[' + event(large) + b"]}")
    assert seen == ["publisher:ci"]


async def test_what_is_made_over_mlflows_api_has_at_most_a_thousand_tags(api: Api) -> None:
    for path in ("runs/create", "experiments/create", "registered-models/create"):
        said = []
        for count in (1000, 1001):
            tags = [{"key": f"k{number}", "value": "v"} for number in range(count)]
            body = msgspec.json.encode({"name": f"m{count}", "experiment_id": "0", "tags": tags})
            said.append(await posted(api, f"/api/2.0/mlflow/{path}", body))
        assert said[0] == "" and "length <= 1000" in said[1], (path, said)
