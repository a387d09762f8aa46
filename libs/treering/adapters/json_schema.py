"""JSON Schema, draft 2020-12: compiled once, offline, with patterns that cannot run away."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

import jsonschema_rs
import msgspec

from treering.kernel.refusal import Refused

SCHEMA_BYTES_MAX = 64 * 1024
KNOWN_MAX = 256
MESSAGE_CHARACTERS_MAX = 300


def compiled(schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    """``Refused("event_schema.invalid")`` for what is no schema, or refers to something outside of it."""
    size_bytes = len(msgspec.json.encode(schema))
    if size_bytes > SCHEMA_BYTES_MAX:
        raise Refused("event_schema.invalid", f"schema has {size_bytes} bytes, at most {SCHEMA_BYTES_MAX} are allowed")
    try:
        return jsonschema_rs.Draft202012Validator(
            schema, offline=True, validate_formats=True, pattern_options=jsonschema_rs.RegexOptions()
        )
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError, RecursionError) as error:
        why = str(error).splitlines()[0][:MESSAGE_CHARACTERS_MAX]
        raise Refused("event_schema.invalid", f"schema is no JSON Schema (2020-12): {why}") from None


class Validators:
    """Compiled schemas by a key that changes with them."""

    def __init__(self) -> None:
        self.known: OrderedDict[Hashable, jsonschema_rs.Draft202012Validator] = OrderedDict()

    def check(self, key: Hashable, schema: dict[str, Any], data: Any) -> None:
        """``Refused("event.schema_mismatch")`` naming the field of ``data`` that is not as the schema says."""
        validator = self.known.get(key)
        if validator is None:
            validator = self.known[key] = compiled(schema)
            if len(self.known) > KNOWN_MAX:
                self.known.popitem(last=False)
        self.known.move_to_end(key)
        error = next(validator.iter_errors(data), None)
        if error is not None:
            field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.instance_path)
            said = str(error.message)[:MESSAGE_CHARACTERS_MAX]
            raise Refused("event.schema_mismatch", f"data{field}: {said}")
