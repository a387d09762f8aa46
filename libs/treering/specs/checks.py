"""Checkers of single values: each adds what is wrong with a node to the report, and goes on.

In the steps of a pipeline ``${{parent...}}`` may stand for any value; its own value is not known yet.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection
from typing import TypeGuard

from treering.kernel.refusal import Refused
from treering.specs import expressions
from treering.specs.nodes import Node, Report, Scalar, Value, shown, text_of, word
from treering.specs.references import Form, parse_reference

Check = Callable[[Node, str, Report], None]

WORDS: dict[Form, str] = {
    "asset": "azureml:NAME:VERSION",
    "arm": "an ARM id",
    "registry": "azureml://registries/...",
    "datastore": "azureml://datastores/D/paths/P",
    "job_output": "azureml://jobs/J/outputs/O/paths/P",
    "run": "runs:/RUN/PATH",
    "mlflow_model": "models:/NAME/VERSION",
    "artifact": "mlflow-artifacts:/PATH",
    "http": "an http(s) URL",
    "wasbs": "a wasbs URL",
    "abfss": "an abfss URL",
    "adl": "an adl URL",
    "git": "git+URL",
    "local": "a local path",
}
KNOWN_MAX = 100
TRUE_WORDS = frozenset({"true", "t", "yes", "y", "on", "1"})
FALSE_WORDS = frozenset({"false", "f", "no", "n", "off", "0"})
TEXT_CHARACTERS_MAX = 100_000


def join(key: str, part: str) -> str:
    return f"{key}.{part}" if key else part


def is_binding(node: Node, report: Report) -> bool:
    """Whether the value comes from the pipeline around this step, so that nothing can be said of it yet."""
    written = text_of(node) if report.bindings else None
    return written is not None and expressions.binding(written) is not None


def anything(node: Node, key: str, report: Report) -> None:
    """Any value at all: what treering reads but does not judge."""


def text(node: Node, key: str, report: Report) -> None:
    written = text_of(node)
    if written is None:
        hint = "; put it in quotes" if isinstance(node, Scalar) and node.value is not None else ""
        report.add(node.at, key, f"text is needed here, not {shown(node)}{hint}")
    elif len(written) > TEXT_CHARACTERS_MAX:
        report.add(node.at, key, f"has {len(written)} characters, more than {TEXT_CHARACTERS_MAX}")


def secret(node: Node, key: str, report: Report) -> None:
    """Text that no message shows."""
    if text_of(node) is None:
        report.add(node.at, key, "text is needed here; put it in quotes")


def filled(node: Node, key: str, report: Report) -> None:
    """Text with something in it."""
    written = text_of(node)
    if written is not None and not written.strip():
        report.add(node.at, key, "is empty")
    else:
        text(node, key, report)


def matching(pattern: str, wanted: str) -> Check:
    """Text that ``pattern`` matches as a whole; ``wanted`` says in words what that is."""
    compiled = re.compile(pattern)

    def check(node: Node, key: str, report: Report) -> None:
        written = text_of(node)
        if written is None:
            text(node, key, report)
        elif not compiled.fullmatch(written):
            report.add(node.at, key, f"{shown(node)} is not allowed: {wanted}")

    return check


def integer(minimum: int | None = None, maximum: int | None = None) -> Check:
    def check(node: Node, key: str, report: Report) -> None:
        if is_binding(node, report):
            return
        if not isinstance(node, Scalar) or isinstance(node.value, bool) or not isinstance(node.value, int):
            report.add(node.at, key, f"a whole number is needed here, not {shown(node)}")
        else:
            within(node, node.value, minimum, maximum, key, report)

    return check


def number(minimum: float | None = None, maximum: float | None = None) -> Check:
    def check(node: Node, key: str, report: Report) -> None:
        if is_binding(node, report):
            return
        if not isinstance(node, Scalar) or not is_number(node.value):
            report.add(node.at, key, f"a number is needed here, not {shown(node)}")
        else:
            within(node, node.value, minimum, maximum, key, report)

    return check


def is_number(value: Value) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def within(node: Node, value: float, minimum: float | None, maximum: float | None, key: str, report: Report) -> None:
    if minimum is not None and value < minimum:
        report.add(node.at, key, f"{value} is too small, at least {minimum} is needed")
    if maximum is not None and value > maximum:
        report.add(node.at, key, f"{value} is too large, at most {maximum} is allowed")


def boolean(node: Node, key: str, report: Report) -> None:
    """true or false, or one of the words that YAML 1.1 has for them, with or without quotes."""
    if is_binding(node, report) or (isinstance(node, Scalar) and word(node).lower() in TRUE_WORDS | FALSE_WORDS):
        return
    report.add(node.at, key, f"true or false is needed here, not {shown(node)}")


def is_true(node: Node | None) -> bool:
    return isinstance(node, Scalar) and word(node).lower() in TRUE_WORDS


def scalar(node: Node, key: str, report: Report) -> None:
    """One value: text, a number, true or false; ``null`` and JSON are text when ``--set`` gave them."""
    if text_of(node) is None and (not isinstance(node, Scalar) or node.value is None):
        report.add(node.at, key, f"one value is needed here, not {shown(node)}")


def version(node: Node, key: str, report: Report) -> None:
    if not isinstance(node, Scalar) or (not node.given and (node.value is None or isinstance(node.value, bool))):
        report.add(node.at, key, f"a version is text or a number, not {shown(node)}")
    elif not re.fullmatch(r"\S{1,255}", node.written):
        report.add(node.at, key, f"the version {shown(node)} is not allowed: use 1 to 255 signs, no blanks")


def one_of(*values: str, exact: bool = False, camel: bool = True) -> Check:
    """One of the words, in any case unless ``exact``; when ``camel``, ``systemAssigned`` is ``system_assigned``."""

    def check(node: Node, key: str, report: Report) -> None:
        if is_binding(node, report):
            return
        given = text_of(node) or ""
        if given in values or (not exact and ((camel and folded(given) in values) or given.lower() in values)):
            return
        report.add(node.at, key, f"{shown(node)} is not one of {', '.join(values)}{nearest(given, values)}")

    return check


def folded(word: str) -> str:
    """A word in snake case; ``AMLToken`` is ``aml_token``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", word).lower()


def nearest(word: str, known: Collection[str]) -> str:
    """A hint at the known word most like ``word``, if any is and there are not too many to look at."""
    if len(known) > KNOWN_MAX:
        return ""
    close = difflib.get_close_matches(word[:100], list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def reference(*forms: Form, versioned: bool = False) -> Check:
    """A reference in one of these forms; ``versioned`` refuses one that leaves the version open."""

    def check(node: Node, key: str, report: Report) -> None:
        if is_binding(node, report):
            return
        written = text_of(node)
        if written is None:
            report.add(node.at, key, f"a reference or a path is needed here, not {shown(node)}")
            return
        try:
            found = parse_reference(written)
        except Refused as refused:
            report.add(node.at, key, refused.detail)
            return
        if found.form not in forms:
            wanted = " or ".join(WORDS[form] for form in forms)
            report.add(node.at, key, f"{shown(node)} cannot stand here: {wanted} is needed")
        elif versioned and found.form == "asset" and not found.version and not found.label:
            wanted = "azureml:NAME:VERSION or azureml:NAME@latest"
            report.add(node.at, key, f"{shown(node)} says no version: write {wanted}")

    return check
