"""Shows an answer as json, yaml, tsv, a table, or (the default on a terminal) in the form best to read.

Without ``-o``: on a terminal lists are tables and one thing is YAML with local times; in a pipe, and with
``--query``, everything is JSON. All but the table have times as the API gives them (UTC). All of it goes through
``terminal.put``, which lets a terminal obey nothing that somebody wrote into a name.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from treering.cli.session import Session
from treering.cli.terminal import put
from treering.cli.times import human, local
from treering.kernel.csv_cells import no_formula
from treering.kernel.refusal import Refused

CELL_CHARACTERS_MAX = 60
WHEN = ("at", "time")  # of an event: what happened within a second stands in an order


def emit(
    session: Session,
    value: Any,
    columns: dict[str, str] | None = None,
    *,
    whole: bool = False,
    csv_columns: Sequence[str] = (),
) -> None:
    """Write ``value``, or what ``--query`` finds in it, to standard output. ``csv_columns`` are those of CSV, where
    they are more than those of a table."""
    if session.query:
        value, columns = searched(session.query, value), None
    match session.output or default_format(session, value):
        case "none":
            pass
        case "json" | "jsonc":
            put(as_json(value))
        case "yaml" | "yamlc":
            put(as_yaml(value), end="")
        case "tsv":
            put("".join(f"{line}\n" for line in tsv_lines(value)), end="")
        case "table":
            put("\n".join(table_lines(as_rows(value), columns, None if whole else CELL_CHARACTERS_MAX)))
        case "jsonl":
            for one in value if isinstance(value, list) else [value]:
                put(json_line(one))
        case "csv":
            put(csv_text(as_rows(value), None if columns is None else csv_columns or [*columns.values()]), end="")
        case _:
            put(as_yaml(readable(value)), end="")


def default_format(session: Session, value: Any) -> str:
    if session.query or not sys.stdout.isatty():
        return "json"
    return "table" if isinstance(value, list) else "readable"


def searched(query: str, value: Any) -> Any:
    import jmespath
    from jmespath.exceptions import JMESPathError

    try:
        return jmespath.search(query, value)
    except JMESPathError as error:
        raise Refused("query.invalid", f"--query {query!r}: {error}") from None


def writes_unicode() -> bool:
    return (getattr(sys.stdout, "encoding", "") or "").lower().replace("-", "") == "utf8"


def as_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=not writes_unicode())


def json_line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=not writes_unicode())


def csv_text(rows: list[Any], columns: Sequence[str] | None = None) -> str:
    """RFC 4180, with the names of the columns first: the same ones whatever the rows are. Without ``columns``, those
    that the rows have."""
    if columns is None:
        columns = list(dict.fromkeys(name for row in rows for name in row))
    return csv_line(columns) + "".join(csv_line([found(row, name) for name in columns]) for row in rows)


def csv_line(values: Iterable[Any]) -> str:
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="\r\n").writerow([csv_value(value) for value in values])
    return line.getvalue()


def csv_value(value: Any) -> str:
    """Text as it is, unless it would be a formula; what has parts as JSON."""
    return no_formula(value) if isinstance(value, str) else "" if value is None else json_line(value)


def as_yaml(value: Any) -> str:
    import yaml

    if not isinstance(value, (dict, list)):
        return f"{shown(value)}\n"
    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=writes_unicode(), width=120)
    return text


def readable(value: Any, key: str = "") -> Any:
    """The same with local times and durations in words."""
    if isinstance(value, dict):
        return {name: readable(child, name) for name, child in value.items()}
    if isinstance(value, list):
        return [readable(child, key) for child in value]
    if isinstance(value, str):
        return local(value, "milliseconds" if key in WHEN else "seconds")
    if isinstance(value, (int, float)) and not isinstance(value, bool) and key.endswith("seconds"):
        return human(value)
    return value


def tsv_lines(value: Any) -> list[str]:
    """As ``az -o tsv``: a value a line, or the values of each row with tabs between."""
    rows = value if isinstance(value, list) else [value]
    return ["\t".join(map(shown, row_values(row))) for row in rows]


def row_values(row: Any) -> list[Any]:
    if isinstance(row, dict):
        return list(row.values())
    return row if isinstance(row, list) else [row]


def as_rows(value: Any) -> list[Any]:
    rows = value if isinstance(value, list) else [value]
    return [row if isinstance(row, dict) else {f"Column{i + 1}": one for i, one in enumerate(row_values(row))}
            for row in rows]  # fmt: skip


def table_lines(
    rows: list[Any], columns: dict[str, str] | None, characters_max: int | None = CELL_CHARACTERS_MAX
) -> list[str]:
    """Headings, a rule and a line a row. Without ``columns``, every plain value of the rows is one."""
    if columns is None:
        names = dict.fromkeys(
            name for row in rows for name, value in row.items() if not isinstance(value, (dict, list))
        )
        columns = {name[:1].upper() + name[1:]: name for name in names}
    cells = [[cell(found(row, path), path, characters_max) for path in columns.values()] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)] if columns else []
    lines = [list(columns), ["-" * width for width in widths], *cells]
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]


def found(row: Any, path: str) -> Any:
    """The value at a path; a name with a ``.`` in it is found at the top."""
    if isinstance(row, dict) and path in row:
        return row[path]
    for part in path.split("."):
        row = row.get(part) if isinstance(row, dict) else None
    return row


def cell(value: Any, path: str, characters_max: int | None = CELL_CHARACTERS_MAX) -> str:
    text = shown(readable(value, path))
    return text if characters_max is None or len(text) <= characters_max else text[: characters_max - 3] + "..."


def shown(value: Any) -> str:
    """A value as one line without anything a terminal would obey."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)
