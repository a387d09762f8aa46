"""Reads a line of shell as the words of its commands, as sh does: quotes, operators, redirections, variables.

Nothing is run. Read are the parts that lines of Dockerfiles are made of (POSIX.1-2017, Shell Command Language, 2.2 to
2.9); what only a running shell could answer, such as ``$(...)``, stays in the words as it is written.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import NamedTuple

VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w+)(?::?-(?P<default>[^}]*))?\}|(?P<plain>[A-Za-z_]\w*))")
OPERATORS = frozenset({"&&", "||", ";", "|", "&", "(", ")"})
REDIRECTION = re.compile(r"&?[<>]+[&|]?")
DESCRIPTOR = re.compile(r"[0-9]")


class Command(NamedTuple):
    """The words of one command, and the files that its redirections write."""

    words: list[str]
    writes: list[str]


def commands(text: str, variables: Mapping[str, str]) -> list[Command]:
    """The commands of one line, without redirections in their words; ``variables`` are put in where they are known.

    Raises ``ValueError`` where a quotation does not end.
    """
    found = [Command([], [])]
    remaining = iter(tokens(with_values(text, variables)))
    for token in remaining:
        words, writes = found[-1]
        if token in OPERATORS or set(token) <= set("();"):
            found.append(Command([], []))
        elif REDIRECTION.fullmatch(token):
            if words and DESCRIPTOR.fullmatch(words[-1]):
                words.pop()  # the 2 of 2>&1
            target = next(remaining, "")
            writes += [target] if ">" in token and not DESCRIPTOR.fullmatch(target) else []
        else:
            words.append(token)
    return [one for one in found if one.words or one.writes]


def tokens(text: str) -> Iterator[str]:
    """Words and operators; what follows a word that begins with ``#`` is a comment."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    for token in lexer:
        if token.startswith("#"):
            return
        yield token


def with_values(text: str, variables: Mapping[str, str]) -> str:
    """``text`` with ``$NAME``, ``${NAME}`` and ``${NAME:-DEFAULT}`` put in, except between single quotes."""
    parts, quote, start = [], "", 0
    for position, character in enumerate(text):
        if character in "'\"" and quote in ("", character) and (position == 0 or text[position - 1] != "\\"):
            parts.append(put_in(text[start:position], variables) if quote != "'" else text[start:position])
            quote, start = ("" if quote else character), position
    parts.append(put_in(text[start:], variables) if quote != "'" else text[start:])
    return "".join(parts)


def put_in(text: str, variables: Mapping[str, str]) -> str:
    return VARIABLE.sub(lambda match: value_of(match, variables), text)


def value_of(match: re.Match[str], variables: Mapping[str, str]) -> str:
    """The value, else the default, else the text as it is: other variables are those of an image that is not here."""
    found = variables.get(match["braced"] or match["plain"])
    if found is not None:
        return found
    return match[0] if match["default"] is None else match["default"]
