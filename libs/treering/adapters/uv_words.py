"""What uv says, for people: why it failed in a few words, and all of it for the log of the job."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

URL = re.compile(r"[a-z][a-z+]*://[^\s`'\")]+")
WHOLE_CHARACTERS_MAX = 512 * 1024
HEAD_CHARACTERS_MAX = 300
HINT_CHARACTERS_MAX = 250
LINE_CHARACTERS_MAX = 200
SECTIONS = ("[stdout]", "[stderr]")
# Of its progress, in the lines that it prints without a terminal.
PROGRESS = re.compile(
    r"\s*(Using Python|Resolved|Downloading|Downloaded|Building|Built|Prepared|Installed|Uninstalled|Bytecode|[+-]) "
)
COMPILER = re.compile(r"\s*[^\s:]+:\d+(?::\d+)?: (?:fatal )?error: ")
DECORATION = re.compile(r"[\s│├╰─▶×]+")


def reason(errors: str, characters_max: int) -> str:
    """What failed, the end of what the failing program said, and uv's hint, in one line; without addresses: an index's
    may hold a password.

    A program says its cause last, so what is long is cut before it. A compiler says it where it stops, and after that
    come other files and the command that failed: its first error stands before them.
    """
    lines = list(without_frames(errors.splitlines()))
    head, said, hint = parts(lines)
    first = middle_cut(one_line(head), HEAD_CHARACTERS_MAX if said else characters_max)
    last = middle_cut(one_line(hint[:1]), HINT_CHARACTERS_MAX, tail=0.0)
    room = max(0, characters_max - len(first) - len(last) - 2)
    return " ".join(part for part in (first, ending(said, of_a_compiler(lines), room), last) if part)


def ending(said: Sequence[str], cause: str, characters_max: int) -> str:
    """The end of what a program said, after its cause where that is further up; long commands in it are cut."""
    text = one_line([middle_cut(line.strip(), LINE_CHARACTERS_MAX) for line in said])
    kept = middle_cut(text, characters_max, tail=1.0)
    if not cause or cause in kept:
        return kept
    return f"{cause} {middle_cut(text, characters_max - len(cause) - 1, tail=1.0)}".strip()


def of_a_compiler(lines: Sequence[str]) -> str:
    """``foo.c:3:10: fatal error: Python.h: No such file``, the first of these; "" when there is none."""
    found = next((line for line in lines if COMPILER.match(line)), "")
    return middle_cut(one_line([found]), LINE_CHARACTERS_MAX)


def parts(lines: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """What uv says itself, what the program that it ran says (its errors, else its output), and the hint."""
    found: dict[str, list[str]] = {"": [], "hint": [], **{name: [] for name in SECTIONS}}
    now = ""
    for line in lines:
        if line.strip() in SECTIONS:
            now = line.strip()
            continue
        if line.startswith("hint:"):
            now = "hint"
        if not (now == "" and (line.startswith("warning") or PROGRESS.match(line))):
            found[now].append(line)
    said = found["[stderr]"] or found["[stdout]"]
    return found[""], said, found["hint"]


def without_frames(lines: Sequence[str]) -> Iterator[str]:
    """Of a traceback, only the exception."""
    frames_at = -1  # the indent of a traceback that we are in
    for line in lines:
        if not line.strip():
            continue
        indent = len(line) - len(line.lstrip())
        if frames_at >= 0 and indent > frames_at:
            continue
        frames_at = -1
        if line.strip() == "Traceback (most recent call last):":
            frames_at = indent
        else:
            yield line


def one_line(lines: Sequence[str]) -> str:
    text = DECORATION.sub(" ", URL.sub("the package index", " ".join(lines))).strip()
    return text.removeprefix("error: ")


def middle_cut(text: str, characters_max: int, tail: float = 0.6) -> str:
    """``tail``: how much of what stays is the end of the text."""
    if len(text) <= characters_max:
        return text
    kept = max(0, characters_max - len(" ... "))
    last = int(kept * tail)
    return f"{text[: kept - last]} ... {text[len(text) - last :]}".strip()


def whole(errors: str) -> str:
    """All that it said, line by line; only the end of what is beyond all reason. Without addresses."""
    text = URL.sub("the package index", errors).strip("\n")
    if len(text) <= WHOLE_CHARACTERS_MAX:
        return text
    return f"[{len(text) - WHOLE_CHARACTERS_MAX} characters are left out here]\n{text[-WHOLE_CHARACTERS_MAX:]}"
