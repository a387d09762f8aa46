"""Splits a Dockerfile into its instructions, with the here-documents that belong to them (Dockerfile reference)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

HERE_DOCUMENT = re.compile(r"<<(?P<tabs>-?)(?P<quote>[\"']?)(?P<word>[A-Za-z_]\w*)(?P=quote)")
WITH_DOCUMENTS = frozenset({"RUN", "COPY", "ADD"})


class Instruction(NamedTuple):
    """``word`` in capitals; ``documents`` are the texts of its here-documents; ``line`` is where it begins, from 1."""

    word: str
    rest: str
    line: int
    documents: tuple[str, ...] = ()


def instructions(text: str) -> Iterator[Instruction]:
    """Each instruction, joined over backslashes, without comments."""
    numbered = enumerate(text.splitlines(), start=1)
    pending, start = "", 0
    for number, raw in numbered:
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        start = start or number
        if line.endswith("\\"):
            pending += line[:-1] + " "
            continue
        yield instruction(pending + line, start, numbered)
        pending, start = "", 0
    if pending:
        yield instruction(pending, start, numbered)


def instruction(line: str, start: int, following: Iterator[tuple[int, str]]) -> Instruction:
    """Take the here-documents of an instruction from the lines after it."""
    word, *others = line.split(maxsplit=1)
    rest = "".join(others)
    if word.upper() not in WITH_DOCUMENTS:
        return Instruction(word.upper(), rest.strip(), start)
    documents = tuple(document(match, following) for match in HERE_DOCUMENT.finditer(rest))
    return Instruction(word.upper(), HERE_DOCUMENT.sub("", rest).strip(), start, documents)


def document(opening: re.Match[str], following: Iterator[tuple[int, str]]) -> str:
    """The lines up to the one that is the word alone; ``<<-`` takes away the tabs that lines begin with."""
    lines = []
    for _, raw in following:
        line = raw.lstrip("\t") if opening["tabs"] else raw
        if line.rstrip() == opening["word"]:
            break
        lines.append(line)
    return "".join(f"{line}\n" for line in lines)
