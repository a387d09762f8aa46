"""The tree a YAML text becomes: values that still know where they were written, and what is wrong with them.

Every message about a file can therefore say ``FILE:LINE: key.path: what is wrong``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from treering.kernel.known_forms import without_known
from treering.kernel.refusal import Refused
from treering.kernel.url_secrets import without_secrets

SHOWN_CHARACTERS_MAX = 80
PROBLEMS_MAX = 200
# Booleans in YAML 1.1, which Azure's tools read, and text in YAML 1.2.
OLD_BOOLEANS = {
    cased: value
    for word, value in {"yes": True, "no": False, "on": True, "off": False}.items()
    for cased in (word, word.title(), word.upper())
}

# YAML 1.1 has no number with an exponent but without a point, or without the sign of the exponent.
TEXT_TOO = re.compile(r"[-+]?(\d+[eE][-+]?\d+|[\d.]+[eE]\d+)")

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value was written; ``line`` counts from 1, and is 0 for a value given by ``--set``."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value. ``written`` is its text in the file, which ``value`` no longer tells (``0.10`` is 0.1). ``given``:
    by ``--set``, where nobody can say with quotes that text is meant, so it is text wherever text is needed.
    ``plain``: it stands in the file without quotes."""

    value: Value
    at: Place
    written: str = ""
    given: bool = False
    plain: bool = False


@dataclass(frozen=True, slots=True)
class MapNode:
    """A mapping; ``places`` says where each key was written. ``given`` is its text when ``--set`` gave it as JSON."""

    entries: dict[str, Node]
    places: dict[str, Place]
    at: Place
    given: str = ""

    def text(self, key: str) -> str:
        """The value of ``key`` when it is text, else ""."""
        return text_of(self.entries.get(key)) or ""

    def map(self, key: str) -> MapNode:
        """The mapping at ``key``, or an empty one at this place."""
        node = self.entries.get(key)
        return node if isinstance(node, MapNode) else MapNode({}, {}, self.at)


@dataclass(frozen=True, slots=True)
class ListNode:
    items: tuple[Node, ...]
    at: Place
    given: str = ""


Node = Scalar | MapNode | ListNode
Plain = Value | dict[str, "Plain"] | list["Plain"]


def text_of(node: Node | None) -> str | None:
    """The text a node is, exactly as it was written; None for what is not text. Whatever ``--set`` gave can be, and a
    number such as ``1e3``, which is text to Azure ML's reader."""
    if isinstance(node, Scalar):
        if isinstance(node.value, str):
            return node.value
        return node.written if node.given or is_text_too(node) else None
    return (node.given or None) if node else None


def is_text_too(node: Scalar) -> bool:
    return isinstance(node.value, float) and TEXT_TOO.fullmatch(node.written) is not None


def words(node: MapNode) -> dict[str, str]:
    """The values of a mapping as they were written; nothing is the empty text."""
    return {key: word(one) for key, one in node.entries.items()}


def word(node: Node) -> str:
    if isinstance(node, Scalar) and node.value is not None:
        return node.written
    return text_of(node) or ""


def boolean_of(node: Node) -> bool | None:
    """The boolean that Azure's YAML reader makes of a value: of ``yes``, ``no``, ``on`` and ``off`` too."""
    if not isinstance(node, Scalar):
        return None
    if isinstance(node.value, bool):
        return node.value
    return OLD_BOOLEANS.get(node.written) if node.plain else None


def variable(node: Node) -> str:
    """The text a program gets for a value: as written, but a boolean as Azure sends one, ``True`` or ``False``."""
    said = None if isinstance(node, Scalar) and node.given else boolean_of(node)
    return word(node) if said is None else str(said)


def variables(node: MapNode) -> dict[str, str]:
    """The values of a mapping as environment variables; nothing is the empty text."""
    return {key: variable(one) for key, one in node.entries.items()}


def plain(node: Node) -> Plain:
    """The node as dictionaries, lists and values, without its places."""
    if isinstance(node, MapNode):
        return {key: plain(child) for key, child in node.entries.items()}
    if isinstance(node, ListNode):
        return [plain(child) for child in node.items]
    return node.value


def shown(node: Node) -> str:
    """The value as a message shows it, cut to a readable length."""
    if isinstance(node, MapNode):
        return "a mapping"
    if isinstance(node, ListNode):
        return "a list"
    if node.value is None:
        return "nothing (null)"
    text = repr(node.value)
    return text if len(text) <= SHOWN_CHARACTERS_MAX else text[: SHOWN_CHARACTERS_MAX - 3] + "..."


def showable(message: str) -> str:
    """A sentence without the secrets of the value it shows: what ``validate`` says stands in the logs of a CI."""
    return without_known(without_secrets(message))


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. ``line`` is 0 for a value given by ``--set``, which ``file`` then holds. ``code`` is
    that of a refusal which has one of its own."""

    file: str
    line: int
    key: str
    message: str
    code: str = ""

    @property
    def sentence(self) -> str:
        """As a note says it: without the place."""
        return f"{self.key} {self.message}".strip()

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (where, self.key, self.message) if part)


@dataclass
class Report:
    """Collects the problems of one file and of the files it names.

    ``folder`` is where relative paths start; ``bindings`` says that ``${{parent...}}`` may stand for any
    value, as it may in the steps of a pipeline; without ``need_files`` a file that is named but absent is no
    problem; ``opened`` holds the files read so far, so that files which name one another are read once; ``given`` are
    the variables whose values ``--secret`` gives.
    """

    folder: Path
    bindings: bool = False
    need_files: bool = True
    problems: list[Problem] = field(default_factory=list)
    opened: dict[Path, MapNode | None] = field(default_factory=dict)
    notes: list[Problem] = field(default_factory=list)
    given: frozenset[str] = frozenset()

    def add(self, at: Place, key: str, message: str, code: str = "") -> None:
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(Problem(at.file, at.line, key, showable(message), code))

    def refused(self, at: Place, key: str, refused: Refused) -> None:
        """What a reader refused; its sentence may begin with the place already."""
        self.add(at, key, refused.detail.removeprefix(f"{at}: "), refused.code)

    def refuse(self, code: str) -> None:
        """Raise ``Refused`` with a line for every problem; its code is the problem's own when there is one."""
        if self.problems:
            said = "\n".join(map(str, self.problems))
            raise Refused(self.problems[0].code or code if len(self.problems) == 1 else code, said)

    def note(self, at: Place, key: str, message: str) -> None:
        """Something to know about a file that is accepted."""
        if len(self.notes) < PROBLEMS_MAX:
            self.notes.append(Problem(at.file, at.line, key, showable(message)))

    def with_bindings(self) -> Report:
        return replace(self, bindings=True)

    def in_folder(self, folder: Path) -> Report:
        return replace(self, folder=folder, bindings=False)
