"""What a plain (unquoted) YAML word means: the YAML 1.2 core schema, and text wherever readers disagree.

- null: empty, ``~``, ``null``; booleans: ``true`` and ``false`` only; ``yes``, ``no``, ``on`` are text.
- numbers: ``12``, ``-3``, ``0x1f``, ``0.5``, ``1e-3``. A number with leading zeros (``010``), underscores
  (``1_000``) or colons (``12:30``), and a date, are text: YAML 1.1 (which azure-ai-ml reads) and 1.2 differ
  on what they are, and text keeps what was written.
- A number beyond 64 bits (a seed, ``1e999``) is text, and one that JSON cannot hold (``.nan``, ``.inf``) is refused.
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
TAGGED: dict[str, type] = {"str": str, "int": int, "float": float, "bool": bool, "null": type(None)}
NUMBER_CHARACTERS_MAX = 64
INTEGER_LIMIT = 2**63


def plain_value(text: str) -> Value:
    """The value of an unquoted word; ValueError for one that is no finite number."""
    if text in NULLS:
        return None
    if text in BOOLEANS:
        return BOOLEANS[text]
    if text[0] not in "+-.0123456789":
        return text
    return number_or_text(text)


def tagged_value(text: str, tag: str) -> Value:
    """The value of a word with one of YAML's own tags, such as ``!!str 5``; KeyError for another tag, ValueError when
    the word is not what its tag says."""
    wanted = TAGGED[tag]
    value = text if wanted is str else plain_value(text)
    if wanted is float and type(value) is int:
        return float(value)
    if type(value) is not wanted:
        raise ValueError(f"is not what its tag !!{tag} says")
    return value


def number_or_text(text: str) -> Value:
    if NOT_FINITE.fullmatch(text):
        raise ValueError("is not a finite number; quote it if text is meant")
    if len(text) > NUMBER_CHARACTERS_MAX:
        return text
    if INTEGER.fullmatch(text) or HEXADECIMAL.fullmatch(text):
        number = int(text, 16 if text.startswith("0x") else 10)
        return number if -INTEGER_LIMIT <= number < INTEGER_LIMIT else text
    found = float(text) if DECIMAL.fullmatch(text) else math.inf
    return text if math.isinf(found) else found


def whole_text(text: str) -> str:
    """Text in which the halves of a character, as JSON writes those beyond U+FFFF (``\\ud83d\\ude00``), are put
    together; UnicodeError for a half that is alone, which nothing could write down."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
