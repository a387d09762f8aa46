"""Whatever somebody sends as an event, it is one that is told as it was stored, or it is refused."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from treering.domain.event import PublishEvent
from treering.kernel.log import Commit, Entry, encoder
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.views.cloud_events import cloud_events
from treering_services.gateway.event_forms import Said, check_said, command_of, judged_data, said_in_json
from treering_services.gateway.event_modes import Events, events_in

ATTRIBUTES = st.sampled_from(
    ["id", "source", "type", "specversion", "subject", "time", "datacontenttype", "dataschema", "data", "data_base64",
     "cause", "traceparent", "position", "published", "tenant", "My", ""]
)  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["1.0", "a", "/s", "text/plain", "application/json", "AA==", "https://a.b",
                     "0001-01-01T00:00:00+14:00",
                     "2016-12-31T23:59:60Z", "%C0", "%", '"', '"\\', "a" * 1100]),
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
SLOW_AT_FIRST = settings(suppress_health_check=[HealthCheck.too_slow])  # its tables of characters are made once
LEAST = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}
NAMES = st.builds("ce-{}".format, ATTRIBUTES) | st.sampled_from(["Content-Type", "content-type", "CE-ID", "x"])
TYPES = ["application/cloudevents+json", "application/cloudevents-batch+json", "application/json", "text/plain", ""]
BODIES = st.one_of(
    st.binary(max_size=40),
    st.dictionaries(ATTRIBUTES, JSON, max_size=6).map(lambda more: msgspec.json.encode({**LEAST, **more})),
    st.sampled_from(
        [b"[" * 3000, b'{"a":' * 3000, b'{"id":"\\ud800"}', b"\xef\xbb\xbf{}", b'{"x":"\xff"}', b"[1e999]"]
    ),
)


def told(command: PublishEvent) -> Any:
    """The event of a commit, as readers get it."""
    stored = {**msgspec.json.decode(encoder.encode(command)), "type": "event.published"}
    at, events = datetime(2026, 1, 1, tzinfo=UTC), msgspec.Raw(encoder.encode([stored]))
    commit = Commit("c", "publish:x", 1, at, "me", events=events)
    entry = Entry(1, Address("w", "event", "k").subject, encoder.encode(commit))
    (one,) = cloud_events(entry)
    return msgspec.json.decode(one.body)


def published(events: Events) -> None:
    for given_one in events.all:
        said = given_one if isinstance(given_one, Said) else said_in_json(given_one, events.strict)
        check_said(said, None if isinstance(given_one, Said) else given_one)
        command = command_of(said, "/own")
        with suppress(Refused):
            judged_data(command)
        found = told(command)
        assert found["id"] == command.id and {name: found[name] for name in command.extensions} == command.extensions


@SLOW_AT_FIRST
@given(st.dictionaries(NAMES, TEXTS | st.sampled_from(TYPES), max_size=6), BODIES)
@example({"ce-id": "1", "ce-specversion": "1.0", "ce-type": "t", "Content-Type": "a/b+json"}, b"[" * 600 + b"]" * 600)
@example({"Content-Type": TYPES[1]}, b"[[]]")
def test_any_message_is_an_event_or_refused(headers: dict[str, str], body: bytes) -> None:
    with suppress(Refused):
        published(events_in(headers, body))


@given(st.dictionaries(ATTRIBUTES, TEXTS, max_size=6), st.sampled_from(TYPES[2:]), BODIES)
def test_any_event_in_binary_mode_is_one_or_refused(more: dict[str, str], media_type: str, body: bytes) -> None:
    headers = {f"ce-{name}": value for name, value in {**LEAST, **more}.items()}
    with suppress(Refused):
        published(events_in({**headers, "Content-Type": media_type}, body))


@given(st.dictionaries(ATTRIBUTES, JSON, max_size=6))
def test_any_event_in_structured_mode_is_one_or_refused(more: dict[str, Any]) -> None:
    with suppress(Refused):
        published(events_in({"Content-Type": TYPES[0]}, msgspec.json.encode({**LEAST, **more})))
