"""Python requirements as people write them: each one judged, none that could name another source.

A requirement is a name, extras, versions and a marker (PEP 508). Options, URLs and editable installs are
refused: they would install something else tomorrow, or from elsewhere than the index the operator chose.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from treering.kernel.refusal import Refused
from treering.kernel.url_secrets import without_secrets

CHARACTERS_MAX = 1000
REQUIREMENTS_MAX = 1000
# An address, a repository, or a file that packages are packed in.
FROM_ELSEWHERE = re.compile(
    r"^\s*(?:[a-z]+\+)?[a-z]+://|(?<![@\w])[^;]*\.(?:whl|tar\.gz|zip)\s*$|^\s*[^;@]*@\s*[a-z+]+:"
)
INSTEAD = "write NAME==VERSION of a package on an index, or put its source into the job's code and write '-e ./FOLDER'"
OPTIONS = "of options -r, -e and --extra-index-url are read, in files"


def requirement(text: str, where: str) -> str:
    """One requirement in its normal form; ``where`` is named in the refusal ``environment.requirement``."""
    shown = f"{where}: {text.strip()[:100]!r}"
    if text.lstrip().startswith("-"):
        raise Refused("environment.requirement", f"{shown} is an option that is not carried out; {OPTIONS}")
    if FROM_ELSEWHERE.search(text):
        plain = without_secrets(text.strip())[:100]
        raise Refused("environment.requirement", f"{where}: {plain!r} is installed from no index; {INSTEAD}")
    if len(text) > CHARACTERS_MAX:
        raise Refused("environment.requirement", f"{shown}... has more than {CHARACTERS_MAX} characters")
    try:
        parsed = Requirement(text)
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0]
        hint = "write NAME or NAME==VERSION; URLs and folders are not installed"
        raise Refused("environment.requirement", f"{shown} is no requirement: {reason}; {hint}") from None
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
