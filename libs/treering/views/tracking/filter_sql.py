"""A comparison of a filter as SQL with parameters: never a character of the filter in the SQL itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from treering.kernel.log import encoder

SYMBOLS: Mapping[str, str] = {"=": "=", "!=": "<>", ">": ">", ">=": ">=", "<": "<", "<=": "<="}
GLOB_MARKS = str.maketrans({"*": "[*]", "?": "[?]", "[": "[[]", "%": "*", "_": "?"})


class Sql(NamedTuple):
    """A condition and the values of its question marks."""

    text: str
    values: tuple[Any, ...] = ()


def compared(column: str, comparator: str, value: Any) -> Sql:
    """``column comparator value``; LIKE minds the case and ILIKE does not. A list for IN and NOT IN is one value: of
    question marks a statement has no more than 32,766."""
    match comparator:
        case "LIKE":
            return Sql(f"{column} GLOB ?", (value.translate(GLOB_MARKS),))
        case "ILIKE":
            return Sql(f"lower({column}) LIKE lower(?)", (value,))
        case "IN" | "NOT IN":
            return Sql(f"{column} {comparator} (SELECT value FROM json_each(?))", (encoder.encode(value).decode(),))
        case _:
            return Sql(f"{column} {SYMBOLS[comparator]} ?", (value,))


def all_of(conditions: Sequence[Sql]) -> Sql:
    """Every one of them; of none, what always holds."""
    text = " AND ".join(one.text for one in conditions) or "1"
    return Sql(text, tuple(value for one in conditions for value in one.values))
