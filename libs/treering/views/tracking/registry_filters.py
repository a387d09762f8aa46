"""What a filter means in a search for registered models or for versions.

A prompt is a model with a tag. Searches leave prompts out unless the filter asks for them, as MLflow's do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from treering.kernel.refusal import Refused
from treering.views.tracking.filter_sql import SYMBOLS, Sql, compared
from treering.views.tracking.filter_text import NULLS, Clause, as_set, parse_filter
from treering.views.tracking.registry import PROMPT

TAGS = ("tag", "tags")
ENTITIES = ("", "attribute", "attributes", *TAGS)
TEXT_COMPARATORS = ("=", "!=", "LIKE", "ILIKE")
LIST_COMPARATORS = ("IN", "NOT IN")
INTEGER_MAX = 2**63 - 1


@dataclass(frozen=True)
class Searchable:
    """A table that is searched. ``texts`` and ``numbers`` say which column a key means; ``lists`` are the keys that
    IN is for; ``joined`` are the columns that a row has in common with those of its tags."""

    words: str
    table: str
    tag_table: str
    joined: Sequence[str]
    texts: Mapping[str, str]
    numbers: Mapping[str, str]
    lists: Sequence[str]


MODELS = Searchable(
    "registered model", "registered_models", "registered_model_tags", ("workspace", "name"), {"name": "name"}, {},
    ("name",),
)  # fmt: skip
VERSIONS = Searchable(
    "model version", "model_versions", "model_version_tags", ("workspace", "name", "version"),
    {"name": "name", "run_id": "run_id", "source_path": "source"}, {"version_number": "version"}, ("name", "run_id"),
)  # fmt: skip


def conditions(table: Searchable, text: str) -> list[Sql]:
    """The conditions of a filter; ``Refused("filter.invalid")`` in MLflow's words for one that means nothing."""
    clauses = parse_filter(text)
    for clause in clauses:
        check(table, clause)
    if asks_for_prompts(clauses):
        return [condition(table, clause) for clause in clauses]
    kept = [clause for clause in clauses if not is_about_prompts(clause)]
    return [*(condition(table, clause) for clause in kept), no_prompts(table)]


def check(table: Searchable, clause: Clause) -> None:
    if clause.entity not in ENTITIES:
        raise wrong(f"Invalid entity type '{clause.entity[:100]}'. Valid entity types are ('attribute', 'tag', 'tags')")
    valid = {*table.texts, *table.numbers}
    if clause.entity not in TAGS and clause.key not in valid:
        raise wrong(f"Invalid attribute key '{clause.key[:100]}' specified. Valid keys are '{as_set(valid)}'")
    if clause.comparator in NULLS:
        raise wrong(f"IS NULL / IS NOT NULL is not supported for {table.words} search.")


def condition(table: Searchable, clause: Clause) -> Sql:
    if clause.entity in TAGS:
        return tag_condition(table, clause)
    if clause.key in table.numbers:
        return number_condition(table, clause)
    return text_condition(table, clause)


def tag_condition(table: Searchable, clause: Clause) -> Sql:
    if clause.comparator not in TEXT_COMPARATORS:
        raise wrong(f"Invalid comparator for tag: {clause.comparator}")
    if clause.value.kind != "string":
        raise wrong(not_quoted(clause, "tag (e.g. 'my-value')"))
    value = compared("t.value", clause.comparator, clause.value.text)
    exists = (
        f"EXISTS (SELECT 1 FROM {table.tag_table} t WHERE {same(table, table.joined)} AND t.key = ? AND {value.text})"
    )
    return Sql(exists, (clause.key, *value.values))


def same(table: Searchable, columns: Sequence[str]) -> str:
    return " AND ".join(f"t.{column} = {table.table}.{column}" for column in columns)


def text_condition(table: Searchable, clause: Clause) -> Sql:
    column = table.texts[clause.key]
    value, is_list = clause.value, clause.comparator in LIST_COMPARATORS
    if not is_list and clause.comparator not in TEXT_COMPARATORS:
        raise wrong(f"Invalid comparator for attribute: {clause.comparator}")
    if is_list and clause.key not in table.lists:
        raise wrong(f"Only {sorted(table.lists)} attributes support comparison with a list of quoted string values.")
    if value.kind == "number" and table.numbers:
        raise wrong(f"Only the '{sorted(table.numbers)}' attributes support comparison with numeric values.")
    if value.kind != ("list" if is_list else "string"):
        raise wrong(not_quoted(clause, "attributes"))
    return compared(f"{table.table}.{column}", clause.comparator, value.items if is_list else value.text)


def not_quoted(clause: Clause, what: str) -> str:
    shown = clause.value.text[:100]
    if clause.value.kind == "word":
        return (
            "Parameter value is either not quoted or unidentified quote types used for string value "
            f"{shown}. Use either single or double quotes."
        )
    return f"Expected a quoted string value or a list of quoted string values for {what}. Got value {shown}"


def number_condition(table: Searchable, clause: Clause) -> Sql:
    if clause.comparator not in SYMBOLS:
        raise wrong(f"Invalid comparator for attribute {clause.key}: {clause.comparator}")
    return compared(f"{table.table}.{table.numbers[clause.key]}", clause.comparator, integer(clause))


def integer(clause: Clause) -> int:
    text = clause.value.text.strip()
    digits = text.lstrip("+-")
    if not (
        digits.isascii() and digits.isdecimal() and len(digits) <= 19 and clause.value.kind in ("number", "string")
    ):
        raise wrong(f"Invalid value for numeric attribute '{clause.key}': {text[:100]!r}")
    return max(-INTEGER_MAX, min(INTEGER_MAX, int(text)))


def is_about_prompts(clause: Clause) -> bool:
    return clause.entity in TAGS and clause.key == PROMPT


def asks_for_prompts(clauses: Sequence[Clause]) -> bool:
    """The first clause about the tag decides."""
    for clause in clauses:
        if is_about_prompts(clause):
            said = (clause.comparator, clause.value.text.lower())
            return said in (("=", "true"), ("!=", "false"))
    return False


def no_prompts(table: Searchable) -> Sql:
    """No version of a name is shown when any of them is a prompt's."""
    by_name = same(table, table.joined[:2])
    inner = f"SELECT 1 FROM {table.tag_table} t WHERE {by_name} AND t.key = ? AND t.value = 'true'"
    values: tuple[Any, ...] = (PROMPT,)
    return Sql(f"NOT EXISTS ({inner})", values)


def wrong(detail: str) -> Refused:
    return Refused("filter.invalid", detail)
