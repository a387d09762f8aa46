"""What a plain (unquoted) YAML word means: the YAML 1.2 core schema, and text wherever readers disagree.

- null: empty, ``~``, ``null``; booleans: ``true`` and ``false`` only; ``yes``, ``no``, ``on`` are text.
- numbers: ``12``, ``-3``, ``0x1f``, ``0.5``, ``1e-3``. A number with leading zeros (``010``), underscores
  (``1_000``) or colons (``12:30``), and a date, are text: YAML 1.1 (which azure-ai-ml reads) and 1.2 differ
  on what they are, and text keeps what was written.
- A number that JSON cannot hold (``.nan``, ``.inf``) or beyond 64 bits is refused.
"""

from __future__ import annotations

import math
import re

from treering.specs.nodes import Value

NULLS = {"", "~", "null", "Null", "NULL"}
BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
DECIMAL = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
NUMBER_CHARACTERS_MAX = 64
INTEGER_LIMIT = 2**63


def plain_value(text: str) -> Value:
    """The value of an unquoted word; ValueError for a number that cannot be kept."""
    if text in NULLS:
        return None
    if text in BOOLEANS:
        return BOOLEANS[text]
    if text[0] not in "+-.0123456789":
        return text
    return number_or_text(text)


def number_or_text(text: str) -> Value:
    if NOT_FINITE.fullmatch(text):
        raise ValueError("is not a finite number; quote it if text is meant")
    is_integer = INTEGER.fullmatch(text) or HEXADECIMAL.fullmatch(text)
    if not is_integer and not DECIMAL.fullmatch(text):
        return text
    if len(text) > NUMBER_CHARACTERS_MAX:
        raise ValueError(f"has more than {NUMBER_CHARACTERS_MAX} digits; quote it if text is meant")
    return integer(text) if is_integer else finite(text)


def integer(text: str) -> int:
    number = int(text, 16 if text.startswith("0x") else 10)
    if not -INTEGER_LIMIT <= number < INTEGER_LIMIT:
        raise ValueError("does not fit in 64 bits; quote it if text is meant")
    return number


def finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("is too large for a number; quote it if text is meant")
    return number
