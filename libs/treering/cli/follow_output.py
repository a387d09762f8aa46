"""Shows rows that come one by one: a line each, in the form asked for."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from typing import Any

from treering.cli.output import as_yaml, cell, csv_value, found, json_line, searched
from treering.cli.session import Session

WIDTHS = (30, 28, 32, 20)  # of the first columns; a table cannot wait for what is to come


def line_writer(session: Session, columns: dict[str, str]) -> Callable[[dict[str, Any]], None]:
    """Writes one row: a line of a table on a terminal, of JSON in a pipe, or what ``-o`` says; with
    ``--query`` what it finds in the row."""
    if session.query:
        return lambda row: print(json_line(searched(session.query, row)), flush=True)
    match session.output or ("table" if sys.stdout.isatty() else "jsonl"):
        case "csv":
            return csv_writer(columns)
        case "table":
            print(table_line({name: name for name in columns}, {name: name for name in columns}), flush=True)
            return lambda row: print(table_line(row, columns), flush=True)
        case "tsv":
            return lambda row: print("\t".join(cell(found(row, path), path) for path in columns.values()), flush=True)
        case "yaml":
            return lambda row: print(as_yaml([row]), end="", flush=True)
        case _:
            return lambda row: print(json_line(row), flush=True)


def csv_writer(columns: dict[str, str]) -> Callable[[dict[str, Any]], None]:
    """Only the named columns: the heading is written before it is known what else rows have."""
    lines = csv.writer(sys.stdout, lineterminator="\r\n")
    lines.writerow(columns.values())

    def write(row: dict[str, Any]) -> None:
        lines.writerow([csv_value(found(row, path)) for path in columns.values()])
        sys.stdout.flush()

    return write


def table_line(row: dict[str, Any], columns: dict[str, str]) -> str:
    cells = [cell(found(row, path), path) for path in columns.values()]
    padded = [text.ljust(width) for text, width in zip(cells, WIDTHS, strict=False)]
    return "  ".join([*padded, *cells[len(padded) :]]).rstrip()
