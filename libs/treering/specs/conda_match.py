"""Reads how conda names a package and its versions, and says the versions as Python does (PEP 440).

``channel::name version build``, ``name=version=build``, ``name[version='>=1.2',build=py38_0]``: the channel and the
build say nothing about a package of PyPI.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from packaging.utils import canonicalize_name

from treering.kernel.refusal import Refused
from treering.specs.nodes import Place

PACKAGE = re.compile(
    r"(?:[A-Za-z0-9_./:-]+::)?"
    r"(?P<name>[A-Za-z0-9_][A-Za-z0-9_.-]*)\s*"
    r"(?P<versions>(?:[=<>!~]{1,2}\s*|(?<=\s))[0-9*][A-Za-z0-9_.*+!<>=~, |]*)?"
)
BRACKETS = re.compile(r"(?P<match>[^\[\]]+)\[(?P<fields>[^\[\]]*)\]")
FIELD = re.compile(r"(?P<key>\w+)\s*=\s*(?P<value>'[^']*'|\"[^\"]*\"|[^,'\"]*)\s*(?:,\s*|$)")
BUILD = re.compile(r"(?P<version>=?=?\s*[0-9*][^=<>!~,\s]*)[=\s]\s*(?P<build>[A-Za-z0-9_*.]+)")
VERSION = re.compile(r"(?P<operator>==|[<>!~]=|[=<>])?\s*(?P<version>\*|[0-9][A-Za-z0-9_.+!]*(?:\.?\*)?)")
RELEASE = re.compile(r"[0-9.]+")


class Match(NamedTuple):
    """``name`` as written, ``key`` normalised; ``versions`` as conda writes them; ``build`` is "" where any will do."""

    name: str
    key: str
    versions: str = ""
    build: str = ""


def read_match(text: str, at: Place) -> Match:
    """Raises ``Refused("environment.conda")``."""
    match = PACKAGE.fullmatch(without_brackets(text))
    if match is None:
        raise invalid(at, f"{text[:100]!r} is not read; write NAME, NAME=1.2 or NAME>=1.2,<2")
    versions = (match["versions"] or "").strip()
    build = BUILD.fullmatch(versions)
    plain, chosen = (build["version"], build["build"].strip("*")) if build else (versions, "")
    return Match(match["name"], canonicalize_name(match["name"]).lstrip("-"), plain, chosen)


def without_brackets(text: str) -> str:
    """``numpy[version='>=1.2']`` as ``numpy >=1.2``."""
    match = BRACKETS.fullmatch(text)
    if match is None:
        return text
    fields = {one["key"]: one["value"].strip("'\"") for one in FIELD.finditer(match["fields"])}
    return f"{match['match'].strip()} {fields.get('version', '')}".strip()


def pep440(versions: str, text: str, at: Place) -> str:
    """conda's versions in Python's: ``=1.2`` means any 1.2, and ``*`` any."""
    if "|" in versions:
        raise invalid(at, f"{text[:100]!r}: alternatives are not read; write one version, or a range such as >=1.2,<2")
    parts = versions.split(",") if versions else []
    return ",".join(filter(None, (one_version(part.strip(), text, at) for part in parts)))


def one_version(part: str, text: str, at: Place) -> str:
    match = VERSION.fullmatch(part)
    if match is None:
        raise invalid(at, f"the version in {text[:100]!r} is not read; write =1.2, ==1.2.3 or >=1.2,<2")
    operator, version = match["operator"] or "=", match["version"]
    if version == "*":
        return ""
    bare = version.removesuffix("*").removesuffix(".")
    if operator == "=":
        return f"=={bare}.*" if RELEASE.fullmatch(bare) else f"=={bare}"  # 1.2.post1 and 1.2rc1 are exact
    return operator + (version if operator in ("==", "!=") else bare)  # >=1.2.* means >=1.2


def invalid(at: Place, message: str) -> Refused:
    return Refused("environment.conda", f"{at}: dependencies: {message}")
