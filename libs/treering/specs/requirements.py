"""Python requirements as people write them: each one judged, none that could name another source.

A requirement is a name, extras, versions and a marker (PEP 508). Options, URLs and editable installs are
refused: they would install something else tomorrow, or from elsewhere than the index the operator chose.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from treering.kernel.refusal import Refused
from treering.specs.yaml_text import read_text

CHARACTERS_MAX = 1000
REQUIREMENTS_MAX = 1000
FILES_MAX = 20
INCLUDES = ("-r ", "--requirement ", "--requirement=")


def requirement(text: str, where: str) -> str:
    """One requirement in its normal form; ``where`` is named in the refusal ``environment.requirement``."""
    shown = f"{where}: {text.strip()[:100]!r}"
    if text.lstrip().startswith("-"):
        raise Refused("environment.requirement", f"{shown} is an option; only names and versions are installed")
    if len(text) > CHARACTERS_MAX:
        raise Refused("environment.requirement", f"{shown}... has more than {CHARACTERS_MAX} characters")
    try:
        parsed = Requirement(text)
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0]
        hint = "write NAME or NAME==VERSION; URLs and folders are not installed"
        raise Refused("environment.requirement", f"{shown} is no requirement: {reason}; {hint}") from None
    if parsed.url:
        raise Refused("environment.requirement", f"{shown} names a URL; write NAME==VERSION")
    parsed.name = canonicalize_name(parsed.name)
    if not str(parsed).isprintable():  # a quoted text in a marker may hold a line break, and uv reads lines
        raise Refused("environment.requirement", f"{shown} has a control character")
    return str(parsed)


def requirements(texts: Iterable[str], where: str) -> tuple[str, ...]:
    """Requirements in normal form, sorted, each once; ``Refused("environment.requirement")``."""
    found = sorted({requirement(text, where) for text in texts})
    if len(found) > REQUIREMENTS_MAX:
        raise Refused("environment.requirement", f"{where}: has more than {REQUIREMENTS_MAX} requirements")
    return tuple(found)


def read_requirements(path: Path) -> tuple[str, ...]:
    """The requirements of a file and of those it includes with ``-r`` from the same folder, in their order.

    Raises ``Refused`` ``environment.requirement`` (with file and line) or ``yaml.unreadable`` and its kin.
    """
    return tuple(requirement(text, where) for text, where in lines(path, path.resolve().parent, set()))


def lines(path: Path, folder: Path, seen: set[Path]) -> Iterable[tuple[str, str]]:
    """Each requirement with ``FILE:LINE``; a file that was read already is not read again."""
    if path.resolve() in seen:
        return
    seen.add(path.resolve())
    if len(seen) > FILES_MAX:
        raise Refused("environment.requirement", f"{path}: more than {FILES_MAX} files include one another")
    for number, text in logical_lines(read_text(path)):
        where = f"{path}:{number}"
        if text.startswith(INCLUDES):
            yield from lines(included(text, path, folder, where), folder, seen)
        else:
            yield text, where


def logical_lines(text: str) -> Iterable[tuple[int, str]]:
    """Lines without comments and hashes, those that end in a backslash joined; numbers count from 1."""
    pending = ""
    for number, raw in enumerate(text.splitlines(), start=1):
        line = pending + without_comment(raw)
        if line.endswith("\\"):
            pending = line[:-1]
            continue
        pending = ""
        if line.strip():
            yield number, line.split(" --hash=")[0].strip()
    if pending.strip():
        yield len(text.splitlines()), pending.split(" --hash=")[0].strip()


def without_comment(line: str) -> str:
    return "" if line.lstrip().startswith("#") else line.split(" #")[0].rstrip()


def included(text: str, path: Path, folder: Path, where: str) -> Path:
    written = next(text.removeprefix(option) for option in INCLUDES if text.startswith(option)).strip()
    target = path.parent / written
    if not target.resolve().is_relative_to(folder):
        raise Refused("environment.requirement", f"{where}: {written!r} lies outside the folder of the first file")
    return target


def python_versions(written: str) -> SpecifierSet:
    """The Pythons a version stands for: ``3.11`` any 3.11, ``>=3.9,<3.12`` a range, "" any.

    Raises ``Refused("environment.python_invalid")``.
    """
    text = written.strip()
    try:
        if text and text[0].isdigit() and "*" not in text and "," not in text:
            return SpecifierSet(f"=={Version(text).base_version}.*")
        return SpecifierSet(f"=={text}" if text[:1].isdigit() else text)
    except (InvalidVersion, InvalidSpecifier):
        message = f"python: {written[:80]!r} is no version; write 3.11 or '>=3.9,<3.12'"
        raise Refused("environment.python_invalid", message) from None
