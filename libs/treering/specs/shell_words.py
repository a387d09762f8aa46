"""Reads a line of shell as the words of its commands, as sh does: quotes, operators, redirections, variables.

Nothing is run. Read are the parts that lines of Dockerfiles are made of (POSIX.1-2017, Shell Command Language, 2.2 to
2.9); what only a running shell could answer, such as ``$(...)``, stays in the words as it is written.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping

VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w+)(?::?-(?P<default>[^}]*))?\}|(?P<plain>[A-Za-z_]\w*))")
OPERATORS = frozenset({"&&", "||", ";", "|", "&", "(", ")"})
REDIRECTION = re.compile(r"&?[<>]+[&|]?")
DESCRIPTOR = re.compile(r"[0-9]")


def commands(text: str, variables: Mapping[str, str]) -> list[list[str]]:
    """The commands of one line, each as its words, without redirections; ``variables`` are put in where they are known.

    Raises ``ValueError`` where a quotation does not end.
    """
    found: list[list[str]] = [[]]
    remaining = iter(tokens(with_values(text, variables)))
    for token in remaining:
        if token in OPERATORS or set(token) <= set("();"):
            found.append([])
        elif REDIRECTION.fullmatch(token):
            if found[-1] and DESCRIPTOR.fullmatch(found[-1][-1]):
                found[-1].pop()  # the 2 of 2>&1
            next(remaining, "")
        else:
            found[-1].append(token)
    return [words for words in found if words]


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
