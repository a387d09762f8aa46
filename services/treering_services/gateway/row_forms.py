"""The rows of an auditor's answer in the form that ``Accept`` asks for: JSON, CSV (RFC 4180), or a JSON line each."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any

import msgspec
from starlette.responses import Response

from treering.kernel.csv_cells import no_formula
from treering.kernel.log import encoder
from treering.kernel.pages import NEXT_HEADER
from treering_services.gateway.call import Call, reply
from treering_services.gateway.subscriber import LINES

CSV = "text/csv"
Row = dict[str, Any]


def shown(call: Call, raw: bytes, names: Iterable[str] = ()) -> Response:
    """``raw`` is an answer with ``rows``, and ``columns`` when they are lists. ``names`` are the columns of CSV where
    the answer does not say them. What else it says becomes a header: ``treering-next`` is the ``page`` to ask for
    then, ``treering-truncated`` says that there were more rows, ``treering-incomplete`` how many resources
    the monitor's views leave out."""
    accept = call.header(b"accept")
    if CSV not in accept and LINES not in accept:
        return reply(raw)
    answer = msgspec.json.decode(raw)
    columns = distinct(answer.get("columns", list(names)))
    rows = [row if isinstance(row, dict) else dict(zip(columns, row, strict=True)) for row in answer["rows"]]
    more = {
        NEXT_HEADER: answer.get("next", ""),
        "treering-truncated": "true" if answer.get("truncated") else "",
        "treering-incomplete": str(answer.get("incomplete", "")),
    }
    headers = {name: value for name, value in more.items() if value}
    if CSV in accept:
        return Response(as_csv(rows, columns), headers=headers, media_type=f"{CSV}; header=present")
    return Response(b"".join(encoder.encode(row) + b"\n" for row in rows), headers=headers, media_type=LINES)


def distinct(names: list[str]) -> list[str]:
    """Those that come again with a number, so that no value is lost."""
    return [name if name not in names[:index] else f"{name}:{index}" for index, name in enumerate(names)]


def as_csv(rows: list[Row], columns: list[str]) -> bytes:
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\r\n")
    lines.writerow(map(no_formula, columns))
    lines.writerows([cell(row.get(name)) for name in columns] for row in rows)
    return text.getvalue().encode()


def cell(value: Any) -> str:
    """Text as it is, unless it would be a formula; what has parts as JSON."""
    return no_formula(value) if isinstance(value, str) else "" if value is None else encoder.encode(value).decode()
