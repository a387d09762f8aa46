"""Cells of CSV files that a spreadsheet shows and never executes."""

from __future__ import annotations

import re

# What Excel, LibreOffice and Google Sheets take for the beginning of a formula, their wide forms too.
FORMULA = re.compile("[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")


def no_formula(text: str) -> str:
    """``text`` with a ``'`` before what would be a formula (OWASP, CSV injection). Numbers stay what they are."""
    return f"'{text}" if FORMULA.match(text) and not NUMBER.fullmatch(text) else text
