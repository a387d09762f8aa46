"""CloudEvents in binary mode: attributes are header fields (``ce-id``), over HTTP and NATS alike, the body is the data.

Values are percent-encoded UTF-8, perhaps in quotes (HTTP binding 1.0.2, 3.1.3.2). In structured mode, fields may
repeat what the body says (3.2.2); one that says something else is refused and not passed over.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

from treering.kernel.cloud_attributes import CODE, holds_json, holds_text, is_utf8
from treering.kernel.decoding import check_repeats, check_values, decode, plain
from treering.kernel.free_form import check_free
from treering.kernel.refusal import Refused
from treering_services.gateway.call import BODY_BYTES_MAX
from treering_services.gateway.event_forms import KNOWN, MALFORMED, CloudEventIn, Said, too_large_in_json

PREFIX = "ce-"
NOT_FIELDS = ("data", "data_base64")  # they are the body
REQUIRED = ("specversion", "id", "type")  # a job may leave its source out
SHOWN_CHARACTERS_MAX = 80
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def event_fields(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, bytes]:
    """The values of ``ce-`` fields by the names of their attributes. ``Refused`` for one that is said twice."""
    found = dict[str, bytes]()
    for name, value in headers:
        text = name.decode("latin-1").lower()
        if text.startswith(PREFIX):
            attribute = text.removeprefix(PREFIX)
            if attribute in found:
                raise Refused("event.headers", f"the header has the field {shown(text)} twice")
            found[attribute] = value
    return found


def value_of(name: str, value: bytes) -> str:
    """The text that a field says."""
    try:
        text = value.strip(b" \t").decode()
        if quoted := QUOTED.fullmatch(text):
            text = ESCAPED.sub(r"\1", quoted[1])
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        why = "the bytes in it are no UTF-8; write characters beyond ASCII as UTF-8, percent-encoded"
        raise Refused("event.headers", f"the field {shown(PREFIX + name)}: {why}") from None


def said_in_fields(fields: Mapping[str, bytes], content_type: str, body: bytes) -> Said:
    """The event of a message in binary mode; ``content_type`` is that of the body."""
    attributes = {name: value_of(name, value) for name, value in fields.items()}
    for name in NOT_FIELDS:
        if name in attributes:
            raise Refused(
                "event.headers", f"the field {shown(PREFIX + name)} is none of CloudEvents: the body is the data"
            )
    for name in REQUIRED:
        if name not in attributes:
            raise Refused(CODE, f"the field {shown(PREFIX + name)} is missing, which each event in binary mode has")
    said: dict[str, Any] = {name: value for name, value in attributes.items() if name in KNOWN}
    if content_type and said.setdefault("datacontenttype", content_type) != content_type:
        why = f"and the body is {shown(content_type)} by its Content-Type; say the same, or leave the field out"
        raise Refused("event.headers", f"the field 'ce-datacontenttype' is {shown(said['datacontenttype'])}, {why}")
    data = data_of(content_type, body)
    try:
        event = msgspec.convert(said | data, CloudEventIn)
    except msgspec.ValidationError as error:
        raise Refused(MALFORMED, f"of the header: {plain(str(error))}") from None
    check_free(event, MALFORMED)
    extensions = {name: value for name, value in attributes.items() if name not in KNOWN}
    return Said(event, extensions, "data" in data and data["data"] is None)


def data_of(content_type: str, body: bytes) -> dict[str, Any]:
    """``data`` or ``data_base64`` of a body: JSON as such, text as text, and anything else as the bytes that it is."""
    if not body:
        return {}
    if is_utf8(content_type):
        if holds_json(content_type):
            return {"data": json_of(content_type, body)}
        if holds_text(content_type):
            try:
                return {"data": body.decode()}
            except UnicodeDecodeError:
                pass
    if (size_bytes := len(body) * 4 // 3) > BODY_BYTES_MAX:
        raise Refused("request.too_large", too_large_in_json(size_bytes))
    return {"data_base64": base64.b64encode(body).decode()}


def json_of(content_type: str, body: bytes) -> Any:
    check_values(body, MALFORMED)
    try:
        value = decode(body, Any, code=MALFORMED)
    except Refused as refused:
        said = f"Content-Type is {shown(content_type)}" if content_type else "there is no Content-Type"
        raise Refused(MALFORMED, f"{said}, so the body must be JSON: {refused.detail}") from None
    check_repeats(body, MALFORMED)
    return value


def check_event_fields(fields: Mapping[str, bytes], event: msgspec.Raw | None) -> None:
    """``event``: the only one of the body; None where fields cannot repeat one. Raises ``Refused("event.headers")``."""
    if not fields:
        return
    if event is None:
        why = f"the header has a {shown(PREFIX + next(iter(fields)))} field, as an event in binary mode has"
        raise Refused("event.headers", f"{why}, and the body is a batch; send it without such fields")
    in_body = decode(bytes(event), dict[str, msgspec.Raw], code=MALFORMED)
    for name, value in fields.items():
        said = bytes(in_body.get(name, b"null"))
        if as_field(said) != value_of(name, value):
            field, event_says = (one[:SHOWN_CHARACTERS_MAX].decode(errors="replace") for one in (value, said))
            why = f"the {shown(PREFIX + name)} field is {field!r}, and the event in the body says {event_says}"
            raise Refused("event.headers", f"{why}; leave the field out, or let it say the same")


def shown(text: str) -> str:
    return repr(text[:SHOWN_CHARACTERS_MAX])


def as_field(said: bytes) -> str | None:
    """A value in JSON as a field has it; None where it has none."""
    value = decode(said, Any, code=MALFORMED)
    if isinstance(value, bool | int):
        return said.decode()
    return value if isinstance(value, str) else None
