"""The text of a filter, taken apart: ``clause (AND clause)*``, a clause being an identifier, a comparator and a value.

One pass over the characters, no look-back, bounded in every direction; what a clause means is for its reader. The
grammar is that of MLflow's searches (mlflow/utils/search_utils.py): an identifier is ``[entity.]key``, odd keys stand
in backticks or quotes, strings in single or double quotes, LIKE, IN, AND and their like in any case. Two quotes in a
row, or one after a backslash, do not end a text, and are part of it as they stand there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

from treering.kernel.known_forms import without_known
from treering.kernel.refusal import Refused
from treering.kernel.url_secrets import without_secrets

CHARACTERS_MAX = 1024 * 1024
CLAUSES_MAX = 60  # MLflow's own store joins a table for each, of which MySQL takes 61 and SQLite 64
LIST_ITEMS_MAX = 25_000  # ids of runs are 36 characters each, with quotes and a comma
PATTERNS_CHARACTERS_MAX = 4000  # of all LIKE together: for each, a long value takes 20 us, and none can be interrupted
SHOWN_MAX = 300
SPACE = re.compile(r"\s*")
BARE = re.compile(r"[^\s=<>!(),;'\"`]+")
ENTITY = re.compile(r"[A-Za-z_]+\.|`[A-Za-z_]+`\.")
SYMBOL = re.compile(r">=|<=|!=|==|<>|!<|!>|=|>|<")
QUOTED = {
    "'": re.compile(r"'((?:[^'\\]++|''|\\'|\\)*)'"),
    '"': re.compile(r'"((?:[^"\\]++|""|\\"|\\)*)"'),
    "`": re.compile(r"`((?:[^`]++|``)*)`"),
}
WORD = re.compile(r"[A-Za-z]+")
NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?(?![\w.])")
NO_VALUES = frozenset({"true", "false", "null", "and", "or", "not"})
EQUALITY = ("=", "!=")
LISTS = ("IN", "NOT IN")
NULLS = ("IS NULL", "IS NOT NULL")
PHRASES = {
    "LIKE": ("LIKE",), "ILIKE": ("ILIKE",), "RLIKE": ("RLIKE",), "IN": ("IN",), "NOT": ("NOT", "IN"),
    "IS": ("IS", "NULL"),
}  # fmt: skip
LIST_ERROR = "While parsing a list in the query, expected"


class Value(NamedTuple):
    """``text`` is a string's content, or a number or bare word as written; of a list it is the whole."""

    kind: Literal["string", "number", "word", "list", "none"]
    text: str = ""
    items: tuple[str, ...] = ()


class Clause(NamedTuple):
    """``entity`` is "" when none was written; ``written`` is the identifier as it stands in the text."""

    entity: str
    key: str
    comparator: str
    value: Value
    written: str


def parse_filter(text: str) -> list[Clause]:
    """The clauses of a filter, none for an empty one; ``Refused("filter.invalid")`` in MLflow's words."""
    if len(text) > CHARACTERS_MAX:
        raise wrong(f"the filter has {len(text)} characters, at most {CHARACTERS_MAX} are read")
    if text and not text.strip():
        raise wrong(f"Invalid filter {text[:SHOWN_MAX]!r}. Could not be parsed.")
    scanner = Scanner(text)
    clauses: list[Clause] = []
    while not scanner.at_end():
        if clauses:
            scanner.conjunction()
            if scanner.at_end():  # a trailing AND is let pass, as there
                break
        if len(clauses) == CLAUSES_MAX:
            raise wrong(f"a filter has at most {CLAUSES_MAX} clauses")
        clauses.append(scanner.clause())
    patterns = sum(len(one.value.text) for one in clauses if one.comparator in ("LIKE", "ILIKE"))
    if patterns > PATTERNS_CHARACTERS_MAX:
        raise wrong(
            f"the patterns of a filter have at most {PATTERNS_CHARACTERS_MAX} characters together, not {patterns}"
        )
    return clauses


def wrong(detail: str) -> Refused:
    return Refused("filter.invalid", detail)


def as_kept(value: Value) -> Value:
    """What is looked for, as it is kept: without what is secret in an address, and without keys and tokens."""
    return value._replace(text=without_known(without_secrets(value.text))) if value.kind == "string" else value


class Scanner:
    """Where in the text we are."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def at_end(self) -> bool:
        self.skip(SPACE)
        return self.at == len(self.text)

    def skip(self, pattern: re.Pattern[str]) -> str:
        """What matches here, passed over; "" when nothing does."""
        found = pattern.match(self.text, self.at)
        if found is None:
            return ""
        self.at = found.end()
        return found[0]

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def invalid(self, start: int) -> Refused:
        return wrong(f"Invalid clause(s) in filter string: {self.text[start : start + SHOWN_MAX].strip()}")

    def conjunction(self) -> None:
        start = self.at
        if self.peek() == ";":
            shown = self.text[:SHOWN_MAX]
            raise wrong(f"Search filter contained multiple expression {shown!r}. Provide AND-ed expression list.")
        if self.skip(WORD).upper() != "AND":
            raise self.invalid(start)

    def clause(self) -> Clause:
        start = self.at
        entity, key = self.identifier(start)
        written = self.text[start : self.at]
        comparator = self.comparator(start)
        value = Value("none") if comparator in NULLS else self.value(start, comparator)
        return Clause(entity, key, comparator, as_kept(value) if comparator in EQUALITY else value, written)

    def identifier(self, start: int) -> tuple[str, str]:
        entity = self.skip(ENTITY).strip("`.")
        quote = self.peek()
        is_quoted = quote in ("`", '"') or (quote == "'" and entity)
        key = self.quoted(quote, start) if is_quoted else self.skip(BARE)
        if not key:
            raise self.invalid(start)
        return entity, key

    def quoted(self, quote: str, start: int) -> str:
        """The text between two quotes."""
        found = QUOTED[quote].match(self.text, self.at)
        if found is None:
            raise self.invalid(start)
        self.at = found.end()
        return found[1]

    def comparator(self, start: int) -> str:
        self.skip(SPACE)
        if symbol := self.skip(SYMBOL):
            return symbol
        first = self.skip(WORD).upper()
        words = list(PHRASES.get(first, ()))
        for wanted in words[1:]:
            self.skip(SPACE)
            said = self.skip(WORD).upper()
            if first == "IS" and said == "NOT":
                self.skip(SPACE)
                words, said = ["IS", "NOT", "NULL"], self.skip(WORD).upper()
            if first == "NOT" and said in ("LIKE", "ILIKE"):  # which its reader refuses by its name
                return f"NOT {said}"
            if said != wanted:
                raise self.invalid(start)
        if not words:
            raise self.invalid(start)
        return " ".join(words)

    def value(self, start: int, comparator: str) -> Value:
        self.skip(SPACE)
        first = self.peek()
        if first in ("'", '"'):
            return Value("string", self.quoted(first, start))
        if first == "(":
            return self.list_of(start)
        if comparator in LISTS:
            raise self.invalid(start)
        if number := self.skip(NUMBER):
            return Value("number", number)
        word = self.skip(BARE)
        if not word or word.lower() in NO_VALUES:
            raise self.invalid(start)
        return Value("word", word)

    def list_of(self, start: int) -> Value:
        """A list of strings in parentheses; a comma may follow the last."""
        opened = self.at
        self.at += 1
        items: list[str] = []
        separated = True
        while not self.at_end():
            one = self.peek()
            if one == ")":
                self.at += 1
                if not items:
                    raise list_error(
                        "a non-empty list of string values", "empty list" if separated else "ill-formed list"
                    )
                return Value("list", self.text[opened : self.at], tuple(items))
            if one == ",":
                if not items or separated:
                    raise list_error("a non-empty list of string values", "ill-formed list")
                separated = True
                self.at += 1
                continue
            if one not in ("'", '"'):
                self.number_or_word(start)
                raise list_error("string value, punctuation, or whitespace", "different type in list")
            if not separated:
                raise list_error("a non-empty list of string values", "ill-formed list")
            items.append(self.quoted(one, start))
            separated = False
            if len(items) > LIST_ITEMS_MAX:
                raise wrong(f"a list has at most {LIST_ITEMS_MAX} items")
        raise self.invalid(start)

    def number_or_word(self, start: int) -> None:
        if not self.skip(BARE):
            raise self.invalid(start)


def as_set(names: Iterable[str]) -> str:
    """How MLflow's texts write the names that may be: a set, here in order."""
    return f"{{{', '.join(map(repr, sorted(names)))}}}"


def list_error(expected: str, found: str) -> Refused:
    return wrong(f"{LIST_ERROR} {expected}, but got {found}")
