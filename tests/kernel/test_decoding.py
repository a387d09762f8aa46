"""What comes from outside is refused with a sentence; what was stored is read whatever its size."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta, Struct

from treering.domain import KINDS
from treering.domain.run import RUN
from treering.domain.run_messages import ModelOutput, RunOutputsLogged, RunUpdated, UpdateRun
from treering.kernel.bounds import DEPTH_MAX, MILLISECONDS_MAX, MILLISECONDS_MIN, VALUES_MAX, Free, FreeObject, Name
from treering.kernel.decoding import check_repeats, check_values, decode, decode_once
from treering.kernel.refusal import Refused
from treering.kernel.stored import StoredDecoder


class Inner(Struct, frozen=True, forbid_unknown_fields=True):
    free: FreeObject = {}


class Outer(Struct, frozen=True):
    data: Free = None
    inner: Inner | None = None
    names: Annotated[list[Name], Meta(max_length=2)] = []


def nested(depth: int) -> bytes:
    return b'{"data": ' + b"[" * depth + b"]" * depth + b"}"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"names": ["a", "b", "c"]}', "Expected `array` of length <= 2 - at `$.names`, given 3 items"),
        (b'{"names": [1]}', "Expected `str`, got `int` - at `$.names[0]`, given 1"),
        (b'{"names": ["' + b"x" * 2000 + b'"]}', "given 2000 characters that begin with 'xxx"),
        (b'{"data": 9223372036854775808}', "data has the integer 9223372036854775808 in it"),
        (b'{"data": {"a": [-9223372036854775809]}}', "data has the integer -9223372036854775809 in it"),
        (b'{"inner": {"free": {"a": 18446744073709551616}}}', "inner.free has the integer 18446744073709551616"),
        (nested(DEPTH_MAX + 2), f"data has {DEPTH_MAX + 1} levels or more"),
        (b'{"data": [' + b"0," * VALUES_MAX + b"0]}", f"data has {VALUES_MAX + 2} values or more"),
    ],
)
def test_what_is_beyond_a_bound_is_refused_with_the_field_and_the_value(body: bytes, said: str) -> None:
    with pytest.raises(Refused) as refused:
        decode(body, Outer)
    assert refused.value.code == "request.malformed"
    assert said in refused.value.detail


MANY: dict[str, bytes] = {
    "names": b"{" + b",".join(b'"k%d":1' % number for number in range(VALUES_MAX + 1)) + b"}",
    "values": b"[" + b"0," * VALUES_MAX + b"0]",
    "objects": b"[" + b'{"a":1},' * (VALUES_MAX // 2) + b"0]",
    "empty lists": b"[" + b"[]," * VALUES_MAX + b"0]",
    "texts": b"[" + b'"",' * VALUES_MAX + b"0]",
    "texts without commas": b'"' * 5 * VALUES_MAX + b"," * VALUES_MAX,  # no JSON, and nobody's time either
    "texts that end in a backslash": b"[" + b'"\\\\",' * VALUES_MAX + b"0]",
    "open lists": b"[" * (VALUES_MAX + 1),
}


@pytest.mark.parametrize("body", MANY.values(), ids=MANY)
def test_json_of_too_many_values_is_refused_before_it_is_read(body: bytes) -> None:
    with pytest.raises(Refused) as refused:
        decode_once(body, Outer)  # which would refuse it in other words, had it read it
    assert refused.value.detail.startswith(f"the JSON has more than {VALUES_MAX} values")


def test_what_only_looks_like_many_values_is_taken() -> None:
    text = b'[{\\",' * VALUES_MAX
    check_values(b'{"a": "' + text + b'", "b": "\\\\", "c": "' + text + b'"}')
    check_values(b"[" + b"0," * (VALUES_MAX - 2) + b"0]")


@pytest.mark.parametrize(
    "body", [b'{"data": 9223372036854775807}', nested(DEPTH_MAX), b'{"data": [true, 1e308, null]}']
)
def test_what_is_within_the_bounds_is_taken(body: bytes) -> None:
    assert decode(body, Outer).data == msgspec.json.decode(body)["data"]


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b'{"id": "a", "id": "b"}', "'id'"),
        (b'{"data": [{"a": 1, "b": {"c": 1, "\\u0063": 2}}]}', "'c'"),
        (b'{"": 1, "": 2}', '""'),
    ],
)
def test_a_name_that_stands_twice_in_an_object_is_refused(body: bytes, name: str) -> None:
    with pytest.raises(Refused) as refused:
        check_repeats(body)
    assert name in refused.value.detail


def test_the_same_name_in_different_objects_is_taken() -> None:
    check_repeats(b'{"a": {"a": 1}, "b": [{"a": 1}, {"a": 1}], "c": ' + b"9" * 5000 + b"}")


def test_what_an_older_release_has_stored_is_read_beyond_the_bounds_of_today() -> None:
    stored = (
        b'[{"type":"run.updated","end_time":9223372036854775808},'
        b'{"type":"run.outputs_logged","models":[{"model_id":"m-1","step":-99999999999999999999}]}]'
    )
    events = RUN.events.decode(stored)
    assert events == [
        RunUpdated(end_time=2**63),
        RunOutputsLogged([ModelOutput("m-1", -99999999999999999999)]),
    ]
    assert [type(event) for event in events] == [RunUpdated, RunOutputsLogged]
    assert RUN.states.decode(b'{"status":"FINISHED","end_time":9223372036854775808}').end_time == 2**63


def test_what_is_of_another_type_is_no_stored_value_either() -> None:
    with pytest.raises(msgspec.ValidationError):
        RUN.events.decode(b'[{"type":"run.updated","end_time":"soon"}]')
    with pytest.raises(msgspec.ValidationError):
        StoredDecoder(Outer).decode(b'{"inner": {"colour": 1}}')


def test_every_stored_type_has_a_twin_that_reads_the_same() -> None:
    for kind in KINDS.values():
        decoder: StoredDecoder[Any] = kind.states
        assert decoder.unbounded.decode(b"{}") is not None
        assert kind.events.now.unbounded.decode(b"[]") == []


@pytest.mark.parametrize("time", [MILLISECONDS_MIN - 1, MILLISECONDS_MAX + 1, 2**63, 2**64])
def test_a_run_ends_in_a_year_that_a_calendar_can_show(time: int) -> None:
    with pytest.raises(msgspec.ValidationError):
        RUN.commands.decode(b'{"type":"update","end_time":%d}' % time)
    for end in (MILLISECONDS_MIN, MILLISECONDS_MAX):
        assert RUN.commands.decode(b'{"type":"update","end_time":%d}' % end) == UpdateRun(end_time=end)
