"""CloudEvents over HTTP in binary mode: their attributes are header fields (``ce-id``) and the body is their data.

We take the structured mode only. There, fields may repeat what the body says (HTTP binding 1.0.2, 3.2.2); one that says
something else, or stands where the body would be taken for an event without being one, is refused and not passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote

import msgspec

from treering.kernel.decoding import decode
from treering.kernel.refusal import Refused

PREFIX = "ce-"
SHOWN_CHARACTERS_MAX = 80


def check_event_headers(headers: Mapping[bytes, bytes], event: msgspec.Raw | None) -> None:
    """``event``: the only one of the body; None where fields cannot repeat one. Raises ``Refused("event.headers")``."""
    fields = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()}
    fields = {name: value for name, value in fields.items() if name.startswith(PREFIX)}
    if not fields:
        return
    if event is None:
        why = f"the header has a {next(iter(fields))!r} field, as an event in binary mode has"
        raise Refused("event.headers", f"{why}; send one event as application/cloudevents+json, without it")
    in_body = decode(bytes(event), dict[str, msgspec.Raw], code="event.malformed")
    for name, value in fields.items():
        said = bytes(in_body.get(name.removeprefix(PREFIX), b"null"))
        if said[:1] != b'"' or msgspec.json.decode(said) != unquote(value):
            shown = said[:SHOWN_CHARACTERS_MAX].decode(errors="replace")
            why = f"the {name!r} field is {value[:SHOWN_CHARACTERS_MAX]!r}, and the event in the body says {shown}"
            raise Refused("event.headers", f"{why}; leave the field out, or let it say the same")
