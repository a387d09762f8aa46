"""``${{...}}`` and ``$[[...]]``: finding them in a text and putting values in their place.

``${{inputs.N}}``, ``${{outputs.N}}`` and ``${{search_space.N}}`` name something of the job itself,
``${{parent...}}`` something of the pipeline around it, and ``${{name}}``, ``${{output_name}}`` and
``${{default_datastore}}`` what the server fills in where an output's path is said.
``$[[ --flag ${{inputs.N}} ]]`` is left out as a whole when ``N`` has no value. Values replace expressions
verbatim, as Azure ML does it: nothing is quoted, so a value with blanks needs quotes in the command.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from treering.kernel.refusal import Refused

EXPRESSION = re.compile(r"\$\{\{([^{}]*)\}\}")  # no two parts that could match the same blanks: stays linear
NAME = re.compile(r"[^.\s]+(\.[^.\s]+)*")
OPEN, BRACKET_OPEN, BRACKET_CLOSE = "${{", "$[[", "]]"
CHARACTERS_MAX = 100_000
REFERENCES_MAX = 1000
SERVER_WORDS = frozenset({"name", "output_name", "default_datastore"})
IN_A_VALUE = "a value holds no ${{...}}: inputs do not name each other; put the expression into the command"

Given = Mapping[str, str | int | float | bool | None]


class Reference(NamedTuple):
    """One ``${{...}}`` at ``start:end`` of its text; ``optional`` when it stands inside ``$[[ ]]``."""

    parts: tuple[str, ...]
    start: int
    end: int
    optional: bool

    @property
    def text(self) -> str:
        return "${{" + ".".join(self.parts) + "}}"

    @property
    def group(self) -> str:
        """``inputs``, ``outputs``, ``search_space``, ``parent``, or a word the server fills in."""
        return self.parts[0]

    @property
    def name(self) -> str:
        """What is named in the group: ``lr`` of ``inputs.lr``, ``train.lr`` of ``inputs.train.lr``."""
        return ".".join(self.parts[1:])


def references(text: str) -> list[Reference]:
    """Every expression in ``text``, in order; raises ``Refused("expression.malformed")``."""
    if len(text) > CHARACTERS_MAX or text.count(OPEN) > REFERENCES_MAX:
        limits = f"{CHARACTERS_MAX} characters and {REFERENCES_MAX} expressions"
        raise Refused("expression.malformed", f"a text with expressions has at most {limits}")
    spans = brackets(text)
    found = [reference(match, spans) for match in EXPRESSION.finditer(text)]
    if len(found) != text.count(OPEN):
        raise Refused("expression.malformed", "a '${{' has no '}}', or braces inside: write ${{inputs.NAME}}")
    return found


def brackets(text: str) -> list[tuple[int, int]]:
    """Where each ``$[[ ]]`` starts and ends."""
    spans: list[tuple[int, int]] = []
    start = text.find(BRACKET_OPEN)
    while start >= 0:
        end = text.find(BRACKET_CLOSE, start)
        further = text.find(BRACKET_OPEN, start + 1)
        if end < 0 or 0 <= further < end or len(spans) >= REFERENCES_MAX:
            raise Refused("expression.malformed", "a '$[[' has no ']]', or stands inside another")
        spans.append((start, end + len(BRACKET_CLOSE)))
        start = further
    return spans


def reference(match: re.Match[str], spans: list[tuple[int, int]]) -> Reference:
    name = match[1].strip()
    if not NAME.fullmatch(name):
        raise Refused("expression.malformed", f"{match[0][:80]!r} names nothing; write ${{{{inputs.NAME}}}}")
    start, end = match.span()
    return Reference(tuple(name.split(".")), start, end, any(a < start and end < b for a, b in spans))


def binding(text: str) -> Reference | None:
    """The expression that makes up the whole of ``text``, if one does."""
    match = EXPRESSION.fullmatch(text.strip())
    return reference(match, []) if match and NAME.fullmatch(match[1].strip()) else None


def render(command: str, inputs: Given, outputs: Given, search_space: Given | None = None) -> str:
    """``command`` with the values (paths, for data) in place of its expressions.

    A name that is missing, or None outside ``$[[ ]]``, raises ``Refused("expression.dangling")``.
    """
    given: dict[str, Given] = {"inputs": inputs, "outputs": outputs, "search_space": search_space or {}}
    references(command)  # refuses what is malformed before anything is replaced
    kept, done = [], 0
    for start, end in brackets(command):
        inside = command[start + len(BRACKET_OPEN) : end - len(BRACKET_CLOSE)]
        kept += [command[done:start], without_absent(inside, given)]
        done = end
    text = "".join([*kept, command[done:]])
    return EXPRESSION.sub(lambda match: value(match[1].strip(), given), text)


def without_absent(inside: str, given: Mapping[str, Given]) -> str:
    absent = any(given.get(one.group, {}).get(one.name) is None for one in references(inside))
    return "" if absent else inside


def value(expression: str, given: Mapping[str, Given]) -> str:
    group, _, name = expression.partition(".")
    found = given.get(group, {}).get(name)
    if found is None:
        raise Refused("expression.dangling", f"${{{{{expression}}}}} has no value")
    return str(found)


def fill(path: str, words: Mapping[str, str]) -> str:
    """``path`` with ``${{name}}``, ``${{output_name}}``, ``${{default_datastore}}`` replaced by ``words``.

    An expression that is not among the words raises ``Refused("expression.dangling")``.
    """

    def word(match: re.Match[str]) -> str:
        name = match[1].strip()
        if name not in words:
            raise Refused("expression.dangling", f"{match[0]} means nothing here; there are {sorted(words)}")
        return words[name]

    return EXPRESSION.sub(word, path)
