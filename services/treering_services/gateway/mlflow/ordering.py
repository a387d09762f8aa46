"""``order_by`` of the registry's searches: ``key [ASC|DESC]``, each key once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from treering_services.gateway.mlflow.errors import invalid

CLAUSES_MAX = 20


def ordered(clauses: Sequence[str], columns: Mapping[str, str], last: Sequence[tuple[str, str]], unknown: str) -> str:
    """The SQL of an order. ``columns`` says which column a key means; ``last`` breaks ties, where it is not named.

    ``unknown`` is how MLflow says that a key is not one of these, with ``{key}`` in it.
    """
    if len(clauses) > CLAUSES_MAX:
        raise invalid(f"order_by has {len(clauses)} clauses, at most {CLAUSES_MAX} are taken")
    order: dict[str, str] = {}
    for clause in clauses:
        key, direction = taken_apart(clause)
        if key not in columns:
            raise invalid(unknown.format(key=key[:100]))
        if columns[key] in order:
            raise invalid(f"`order_by` contains duplicate fields: {[one[:100] for one in clauses]}")
        order[columns[key]] = direction
    for column, direction in last:
        order.setdefault(column, direction)
    return ", ".join(f"{column} {direction}" for column, direction in order.items())


def taken_apart(clause: str) -> tuple[str, str]:
    words = clause.replace("`", " ").replace('"', " ").split()
    if not 1 <= len(words) <= 2:
        raise invalid(f"Invalid order_by clause '{clause[:100]}'. Could not be parsed.")
    direction = words[1].upper() if len(words) == 2 else "ASC"
    if direction not in ("ASC", "DESC"):
        raise invalid(f"Invalid ordering key in order_by clause '{clause[:100]}'.")
    key = words[0]
    for prefix in ("attribute.", "attributes."):
        key = key.removeprefix(prefix)
    return key, direction
