"""What a filter and an order mean in a search for runs or experiments: names checked, values of their types.

``metrics.acc > 0.9 and tags.team = 'vision'``; the texts of the refusals are MLflow's (utils/search_utils.py of 3.18).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from treering.views.tracking import filter_text
from treering.views.tracking.filter_text import LISTS, NULLS, Value, as_set, wrong

ORDERS_MAX = 20
PATTERN_CHARACTERS_MAX = 1000  # of LIKE: what it costs grows with the pattern times the value
NUMERIC = frozenset({"=", "!=", "<", "<=", ">", ">="})
STRING = frozenset({"=", "!=", "LIKE", "ILIKE"})
ALIASES: Mapping[str, str] = {
    "": "attribute", "attribute": "attribute", "attributes": "attribute", "attr": "attribute", "run": "attribute",
    "metric": "metric", "metrics": "metric",
    "parameter": "parameter", "parameters": "parameter", "param": "parameter", "params": "parameter",
    "tag": "tag", "tags": "tag", "dataset": "dataset", "datasets": "dataset",
}  # fmt: skip
DATASET_KEYS = frozenset({"name", "digest", "context"})


class Grammar(Struct, frozen=True):
    """What one kind of search compares: its entities and attributes. ``lists`` are the attributes that may be compared
    with a list, ``nulls`` the entities that may be asked for IS NULL, ``renamed`` other names of attributes."""

    entities: tuple[str, ...]
    strings: frozenset[str]
    numbers: frozenset[str]
    lists: frozenset[str]
    nulls: frozenset[str]
    renamed: Mapping[str, str] = {}

    def comparators(self, entity: str, key: str) -> frozenset[str]:
        if entity == "metric" or (entity == "attribute" and key in self.numbers):
            return NUMERIC
        listed = entity == "dataset" or (entity == "attribute" and key in self.lists)
        return STRING | (frozenset(LISTS) if listed else frozenset()) | (
            frozenset(NULLS) if entity in self.nulls else frozenset()
        )  # fmt: skip


RUNS = Grammar(
    ("metric", "parameter", "tag", "attribute", "dataset"),
    frozenset({"run_id", "run_name", "status", "user_id", "artifact_uri"}),
    frozenset({"start_time", "end_time"}),
    frozenset({"run_id"}),
    frozenset({"parameter", "tag"}),
    {"created": "start_time", "Created": "start_time", "run name": "run_name", "Run name": "run_name",
     "Run Name": "run_name"},
)  # fmt: skip
EXPERIMENTS = Grammar(
    ("attribute", "tag"),
    frozenset({"name", "experiment_id"}),
    frozenset({"creation_time", "last_update_time"}),
    frozenset({"experiment_id"}),
    frozenset({"tag"}),
)


class Name(NamedTuple):
    entity: str  # "attribute", "metric", "parameter", "tag" or "dataset"
    key: str


class Clause(NamedTuple):
    """One comparison. ``value`` is a float for numbers, a tuple for lists, None for IS NULL."""

    entity: str
    key: str
    comparator: str
    value: str | float | tuple[str, ...] | None


class Order(NamedTuple):
    entity: str
    key: str
    ascending: bool


def parse_filter(text: str, grammar: Grammar) -> list[Clause]:
    """The comparisons of a filter, all of which must hold; ``Refused("filter.invalid")`` says what is wrong."""
    return [meant(clause, grammar) for clause in filter_text.parse_filter(text)]


def meant(clause: filter_text.Clause, grammar: Grammar) -> Clause:
    name = checked(clause.entity, clause.key, grammar)
    comparator = clause.comparator
    if comparator in NULLS:
        if name.entity not in grammar.nulls:
            only = "IS NULL / IS NOT NULL is only supported for tags and params"
            raise wrong(f"{only}, not for '{name.entity}' '{name.key[:100]}'")
        return Clause(*name, comparator, None)
    value = typed(name, clause.value, grammar)
    allowed = grammar.comparators(*name)
    if comparator not in allowed or isinstance(value, tuple) != (comparator in LISTS):
        raise wrong(f"Invalid comparator '{comparator}' not one of '{as_set(allowed)}'")
    if comparator in ("LIKE", "ILIKE") and len(str(value)) > PATTERN_CHARACTERS_MAX:
        raise wrong(f"a pattern may have at most {PATTERN_CHARACTERS_MAX} characters")
    return Clause(*name, comparator, value)


def checked(entity: str, key: str, grammar: Grammar) -> Name:
    known = ALIASES.get(entity, "")
    if known not in grammar.entities:
        raise wrong(f"Invalid entity type '{entity[:100]}'. Valid values are {list(grammar.entities)}")
    if known == "attribute":
        key = grammar.renamed.get(key, key)
        valid = grammar.strings | grammar.numbers
        if key not in valid:
            names = as_set({*valid, *grammar.renamed})
            raise wrong(f"Invalid attribute key '{key[:100]}' specified. Valid keys are '{names}'")
    elif known == "dataset" and key not in DATASET_KEYS:
        raise wrong(f"Invalid dataset key '{key[:100]}' specified. Valid keys are '{as_set(DATASET_KEYS)}'")
    return Name(known, key)


def typed(name: Name, value: Value, grammar: Grammar) -> str | float | tuple[str, ...]:
    if name.entity == "metric" or (name.entity == "attribute" and name.key in grammar.numbers):
        if value.kind != "number":
            what = "metric" if name.entity == "metric" else f"numeric attribute: {name.key}"
            raise wrong(f"Expected numeric value type for {what}. Found {shown(value)}")
        return float(value.text)
    if value.kind == "list":
        if name.entity == "attribute" and name.key not in grammar.lists:
            only = f"Only {sorted(grammar.lists)} attributes support comparison with a list of quoted string values."
            raise wrong(only)
        if name.entity in ("attribute", "dataset"):
            return value.items
    if value.kind == "string":
        return value.text
    if value.kind == "word":
        raise wrong(
            "Parameter value is either not quoted or unidentified quote types used for string value"
            f" {value.text[:100]}. Use either single or double quotes."
        )
    example = "attributes" if name.entity == "attribute" else f"{name.entity} (e.g. 'my-value')"
    raise wrong(f"Expected a quoted string value for {example}. Got value {shown(value)}")


def shown(value: Value) -> str:
    return f"'{value.text[:100]}'" if value.kind == "string" else value.text[:100]


def parse_orders(texts: Sequence[str], grammar: Grammar) -> list[Order]:
    """What to order by, the most important first; naming a field twice is refused."""
    if len(texts) > ORDERS_MAX:
        raise wrong(f"order_by may have at most {ORDERS_MAX} entries")
    orders = [parse_order(text, grammar) for text in texts]
    if len({order[:2] for order in orders}) < len(orders):
        raise wrong(f"`order_by` contains duplicate fields: {[text[:100] for text in texts]}")
    return orders


def parse_order(text: str, grammar: Grammar) -> Order:
    scanner = filter_text.Scanner(text[: filter_text.CHARACTERS_MAX])
    if scanner.at_end():
        raise wrong(f"Invalid order_by clause '{text[:100]}'. Could not be parsed.")
    name = checked(*scanner.identifier(scanner.at), grammar)
    ascending = True
    if not scanner.at_end():
        direction = scanner.skip(filter_text.BARE).upper()
        if direction not in ("ASC", "DESC"):
            raise wrong(f"Invalid ordering key in order_by clause '{text[:100]}'.")
        ascending = direction == "ASC"
    if not scanner.at_end():
        raise wrong(f"Invalid order_by clause '{text[:100]}'. Could not be parsed.")
    if name.entity == "dataset":
        raise wrong(f"Invalid order_by entity type '{name.entity}'")
    return Order(*name, ascending)
