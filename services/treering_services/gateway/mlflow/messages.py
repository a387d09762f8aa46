"""The bodies of MLflow's API: read as protobuf's JSON reads them, answered as it writes them.

Unknown fields are ignored, a null is a field that was not sent, numbers may come as strings (and NaN must), old
clients encode the whole object twice as a string. A request type says in ``required`` which fields must be there.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar, TypeVar, get_origin
from urllib.parse import parse_qs

import msgspec
from msgspec import Struct
from starlette.responses import Response

from treering.kernel.bounds import VALUES_MAX
from treering.kernel.decoding import check_repeats, check_values, with_given
from treering.kernel.log import encoder
from treering.kernel.refusal import Refused
from treering.kernel.stored import unbounded
from treering_services.gateway.call import JSON, QUERY_FIELDS_MAX, Call
from treering_services.gateway.media import media_type_of
from treering_services.gateway.mlflow.errors import SEE, MlflowError, invalid, missing_value
from treering_services.gateway.mlflow.leniency import as_meant, camel_pattern

T = TypeVar("T", bound="Request")
FLOAT_MAX = 1.7976931348623157e308
SHOWN_CHARACTERS_MAX = 200
REQUEST_BYTES_MAX = 8 * 1024 * 1024
# By its counts a batch has 1.4 million characters, each at most 12 bytes of JSON; the profile of a data set has 16.8.
LARGE_BYTES_MAX = 20 * 1024 * 1024
LIST_ITEMS_MAX = 2000  # of a list in a query string
BOUND = re.compile(
    r"` (?:(?:of length )?[<>]=|matching regex)"
)  # how msgspec says that a value is beyond its field's bounds
PLACE = re.compile(r" - at `\$\.?(.*)`$")
EMPTY = b"{}"


class Request(Struct, frozen=True):
    """What every request type of this API extends. ``points``: it is metric points, which are no commits.
    ``values_max``: of its JSON."""

    required: ClassVar[tuple[str, ...]] = ()
    points: ClassVar[bool] = False
    values_max: ClassVar[int] = VALUES_MAX


class Answer(Struct, frozen=True, omit_defaults=True):
    """What every answer extends: a field that has its default is left out, as protobuf does."""


async def read(call: Call, type: type[T], *, bytes_max: int = REQUEST_BYTES_MAX) -> T:
    """The request: of a GET the query string, else the JSON body (whatever its Content-Type says, if any).

    Raises MlflowError in MLflow's words for what is missing or of the wrong type.
    """
    if call.scope["method"] == "GET" and call.scope["query_string"]:
        return complete(from_query(call.scope["query_string"], type))
    body = await call.whole(bytes_max)
    check_media_type(call, body)
    check_values(body, values_max=type.values_max)
    text_of(body)  # the quick decoder does not look into fields that it skips
    try:
        message = read_leniently(body, type) if in_camel_case(body, type) else quickly(body, type)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, ValueError):
        message = read_leniently(body, type)
    is_commit = not type.points or any(getattr(message, name, None) for name in ("params", "tags"))
    if is_commit:
        check_repeats(body)
    return complete(message)


def quickly(body: bytes, type: type[T]) -> T:
    return msgspec.json.decode(body or EMPTY, type=type, strict=False)


def in_camel_case(body: bytes, type: type[Request]) -> bool:
    """Not of points, which are many, and of which MLflow knows such names neither."""
    pattern = None if type.points else camel_pattern(type)
    return pattern is not None and pattern.search(body) is not None


def check_media_type(call: Call, body: bytes) -> None:
    """Of a GET it does not count, as there."""
    method, said = call.scope["method"], call.header(b"content-type")
    if method == "POST" and not said:
        raise invalid("Bad Request. Content-Type header is missing.")
    if body and method != "GET" and media_type_of(said) != JSON:
        raise invalid(f"Bad Request. Content-Type must be one of ['{JSON}'].")


def complete(message: T) -> T:
    """``message`` if every required field is there; an empty string counts as missing, as in protobuf."""
    for name in message.required:
        if getattr(message, name) in (None, ""):
            raise missing_value(spelled(name))
    return message


def spelled(name: str) -> str:
    """The field that clients send: a run's ``id`` has two names."""
    return "run_id" if name == "id" else name


def read_leniently(body: bytes, type: type[T]) -> T:
    """What the quick decoder refused: nulls, a double encoding, bare NaN; else the error, in MLflow's words."""
    value = decoded(body)
    if isinstance(value, str):
        inner = checked_text(value).encode()
        check_values(inner, values_max=type.values_max)
        check_repeats(inner)
        value = decoded(inner)
    if not isinstance(value, dict):
        raise invalid("the request body must be a JSON object")
    try:
        value = as_meant(cleaned(value), type)
        return msgspec.convert(value, type, strict=False)
    except msgspec.ValidationError as error:
        raise wrong_type(error, value, type) from None
    except RecursionError:
        raise invalid("the JSON of the request is nested too deeply") from None


def decoded(body: bytes) -> Any:
    """JSON as Python reads it, with its NaN, but in UTF-8 only and without numbers that become infinite."""
    try:
        return json.loads(text_of(body), parse_float=double)
    except RecursionError:
        raise invalid("the JSON of the request is nested too deeply") from None
    except ValueError as error:
        raise invalid(f"the request body is not JSON: {error}") from None


def text_of(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise invalid(f"the request body is not UTF-8: {error.reason} at byte {error.start}") from None


def double(text: str) -> float:
    """A number of JSON; one that 64 bits cannot hold would become Infinity, which nobody said."""
    value = float(text)
    if math.isinf(value):
        raise invalid(f"the number {text[:40]} is out of range: a double goes up to {FLOAT_MAX}")
    return value


def cleaned(value: Any) -> Any:
    """Without nulls. What is no text, since it has half a character, is refused: nothing could be written of it."""
    match value:
        case dict():
            return {cleaned(name): cleaned(item) for name, item in value.items() if item is not None}
        case list():
            return [cleaned(item) for item in value]
        case str() if not value.isascii():
            return checked_text(value)
        case _:
            return value


def checked_text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise invalid(f"the JSON of the request has half a character: {text[error.start]!a}") from None
    return text


def wrong_type(error: msgspec.ValidationError, value: Mapping[str, Any], type: type[Request]) -> MlflowError:
    """The error for the value that ``error`` is about; a required field comes first."""
    for name in map(spelled, type.required):
        if value.get(name) in (None, "") and not (name == "run_id" and value.get("run_uuid")):
            return missing_value(name)
    found = PLACE.search(str(error))
    name = (found[1] if found else "").partition(".")[0].partition("[")[0]
    at = value.get(name)
    shown = json.dumps(at, sort_keys=True, separators=(",", ":"), default=str)[:SHOWN_CHARACTERS_MAX]
    hint = f"Hint: Value was of type '{at.__class__.__name__}'."
    if BOUND.search(str(error)):
        hint = f"{with_given(str(error), msgspec.json.encode(value))}."
    return invalid(f"Invalid value {shown} for parameter '{name}' supplied:  {hint} {SEE}")


def from_query(query: bytes, type: type[T]) -> T:
    lists = list_fields(type)
    try:
        # A list repeats its name, so it needs more pairs than there are fields.
        fields_max = LIST_ITEMS_MAX if lists else QUERY_FIELDS_MAX
        pairs = parse_qs(query.decode("latin-1"), keep_blank_values=True, max_num_fields=fields_max)
    except ValueError as error:
        raise Refused("request.query", f"the query string: {error}") from None
    value = {name: values if name in lists else values[0] for name, values in pairs.items()}
    try:
        return msgspec.convert(value, type, strict=False)
    except msgspec.ValidationError as error:
        raise wrong_type(error, value, type) from None


@lru_cache(256)
def list_fields(type: type[Request]) -> frozenset[str]:
    fields = msgspec.structs.fields(type)
    return frozenset(field.name for field in fields if get_origin(unbounded(field.type)) in (list, tuple))


def answer(value: Struct | None = None) -> Response:
    """``value`` as JSON; without one, the empty object that most writes answer."""
    return Response(EMPTY if value is None else encoder.encode(value), media_type=JSON)


def listed(call: Call, value: Struct) -> Response:
    """The answer of a list, which leaves out what cannot be shown and says so in a header."""
    return Response(encoder.encode(value), headers=call.gateway.tracking.incomplete_headers, media_type=JSON)


def number(value: float) -> float | str:
    """A float as protobuf's JSON writes it: JSON has no NaN, so it travels as a string."""
    return "NaN" if math.isnan(value) else value


def finite(value: float) -> float:
    """Infinities are kept as the largest float of their sign, which is what MLflow's store does."""
    return math.copysign(FLOAT_MAX, value) if math.isinf(value) else value
