"""Shows rows that come one by one: a line each, in the form asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from treering.cli.output import as_yaml, cell, csv_line, found, json_line, searched
from treering.cli.session import Session
from treering.cli.terminal import put

WIDTHS = (30, 28, 32, 20)  # of the first columns; a table cannot wait for what is to come


def line_writer(
    session: Session, columns: dict[str, str], csv_columns: Sequence[str] = ()
) -> Callable[[dict[str, Any]], None]:
    """Writes one row: a line of a table on a terminal, of JSON in a pipe, or what ``-o`` says; with
    ``--query`` what it finds in the row."""
    if session.query:
        return lambda row: put(json_line(searched(session.query, row)), flush=True)
    match session.output or ("table" if sys.stdout.isatty() else "jsonl"):
        case "csv":
            return csv_writer(csv_columns or [*columns.values()])
        case "table":
            put(table_line({name: name for name in columns}, {name: name for name in columns}), flush=True)
            return lambda row: put(table_line(row, columns), flush=True)
        case "tsv":
            return lambda row: put("\t".join(cell(found(row, path), path) for path in columns.values()), flush=True)
        case "yaml":
            return lambda row: put(as_yaml([row]), end="", flush=True)
        case _:
            return lambda row: put(json_line(row), flush=True)


def csv_writer(columns: Sequence[str]) -> Callable[[dict[str, Any]], None]:
    """Only the named columns: the heading is written before it is known what else rows have."""
    put(csv_line(columns), end="", flush=True)
    return lambda row: put(csv_line([found(row, path) for path in columns]), end="", flush=True)


def table_line(row: dict[str, Any], columns: dict[str, str]) -> str:
    cells = [cell(found(row, path), path) for path in columns.values()]
    padded = [text.ljust(width) for text, width in zip(cells, WIDTHS, strict=False)]
    return "  ".join([*padded, *cells[len(padded) :]]).rstrip()
