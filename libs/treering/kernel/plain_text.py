"""Text that others chose, as a terminal may be given it: every character shown, none obeyed.

A run's name can hold an escape sequence that renames the window or fills the clipboard, a C1 control that does the same
in one byte, or a bidirectional override that shows a line in another order than it is. Each is written as its number
in the form of JSON, so that JSON stays what it was.
"""

from __future__ import annotations

import re

# Control characters but tab and newline (and carriage return before it, as CSV has them), and what Unicode has for
# invisible marks, direction and line ends. Joiners (200C, 200D) stay: scripts and emoji need them.
UNSAFE = re.compile(
    "\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
COLOUR = re.compile(r"(\x1b\[[0-9;:]*m)")


def harmless(text: str) -> str:
    """The same with what a terminal would obey written as ``\\uXXXX``."""
    return UNSAFE.sub(lambda found: escaped(found[0]), text)


def escaped(character: str) -> str:
    return "".join(f"\\u{unit:04x}" for unit in utf16_units(character))


def utf16_units(character: str) -> list[int]:
    """One number, or the two of a surrogate pair: JSON has no other way above FFFF."""
    data = character.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]


def with_colours(text: str) -> str:
    """``harmless``, but for colours and the like."""
    parts = COLOUR.split(text)
    return "".join(part if number % 2 and not conceals(part) else harmless(part) for number, part in enumerate(parts))


def conceals(colour: str) -> bool:
    """Whether it makes what follows invisible (8); the 8 in 38;5;8 is a colour."""
    numbers = iter(colour[2:-1].split(";"))
    for number in numbers:
        if number.lstrip("0") == "8":
            return True
        if number in ("38", "48", "58"):
            for _ in range({"5": 1, "2": 3}.get(next(numbers, ""), 0)):
                next(numbers, "")
    return False


def as_console(text: str) -> str:
    """``with_colours``, and carriage returns stay, by which progress bars write over their own line."""
    return "\r".join(map(with_colours, text.split("\r")))
