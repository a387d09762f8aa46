"""Reads a conda file as an environment of PyPI packages: Python's version, the ``pip:`` section, and known names.

No conda is run and no channel is asked. A package that cannot be carried over is refused with its line: an
environment that silently lacks something fails later and elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from packaging.utils import canonicalize_name

from treering.domain.job_spec import EnvironmentSpec
from treering.kernel.refusal import Refused
from treering.specs.conda_names import pypi_name
from treering.specs.nodes import ListNode, MapNode, Node, Place, Scalar, Value, shown, variables
from treering.specs.package_index import index_urls
from treering.specs.requirement_lines import INCLUDES, Wanted, joined, line, option, read_requirements
from treering.specs.requirements import python_versions, requirement, requirements
from treering.specs.yaml_text import read_yaml

KEYS = frozenset({"name", "channels", "dependencies", "variables", "prefix"})
PACKAGE = re.compile(
    r"(?:[A-Za-z0-9_./-]+::)?"  # the channel, which says nothing about a package of PyPI
    r"(?P<name>[A-Za-z0-9_][A-Za-z0-9_.-]*)\s*"
    r"(?P<versions>(?:[=<>!~]{1,2}\s*|(?<=\s))[0-9][A-Za-z0-9_.*+!<>=~, ]*)?"
)
BUILD = re.compile(r"(?P<version>=?=?\s*[0-9][^=<>!~,\s]*)[=\s]\s*[A-Za-z0-9_]+")
VERSION = re.compile(r"(?P<operator>==|[<>!~]=|[=<>])?\s*(?P<version>[0-9][A-Za-z0-9_.+!]*(?:\.?\*)?)")
Written = Value | Mapping[str, "Written"] | Sequence["Written"]


class Found(NamedTuple):
    """What one dependency adds; ``python`` is set when it is Python itself and says a version."""

    wanted: Wanted = Wanted()
    python: str = ""


def read_conda(path: Path) -> EnvironmentSpec:
    """The environment a conda file describes; ``-r`` in its ``pip:`` section is read beside it.

    ``modules`` are folders of this machine: see ``curated.within_code``. Raises ``Refused``: ``yaml.*``,
    ``environment.`` ``conda``, ``requirement``, ``index``, ``local_package``, ``python_invalid``, with file and line.
    """
    return environment(read_yaml(path), path.parent, str(path))


def conda_spec(written: Mapping[str, Written], where: str, folder: Path) -> EnvironmentSpec:
    """The same for conda written inside another file: every message names ``where``."""
    at = Place(where)
    return environment(mapping(written, at), folder, where)


def environment(root: MapNode, folder: Path, source: str) -> EnvironmentSpec:
    for key, at in root.places.items():
        if key not in KEYS:
            raise invalid(at, f"{key!r} is no key of a conda file, which has {', '.join(sorted(KEYS))}")
    dependencies = root.entries.get("dependencies", ListNode((), root.at))
    if not isinstance(dependencies, ListNode):
        raise invalid(dependencies.at, f"dependencies: a list is needed, not {shown(dependencies)}")
    found = [one for item in dependencies.items for one in dependency(item, folder)]
    pythons = sorted({one.python for one in found if one.python})
    if len(pythons) > 1:
        raise invalid(dependencies.at, f"dependencies: python is wanted as {' and '.join(pythons)}; name one version")
    wanted = joined(one.wanted for one in found)
    return EnvironmentSpec(
        python=pythons[0] if pythons else "",
        requirements=requirements(wanted.requirements, source),
        indexes=index_urls(wanted.indexes, source),
        modules=tuple(map(str, wanted.modules)),
        variables=variables_of(root.entries.get("variables", MapNode({}, {}, root.at))),
        source=source,
    )


def dependency(item: Node, folder: Path) -> Iterator[Found]:
    """One item of ``dependencies``: a package, or ``pip:`` with a list of requirements."""
    if isinstance(item, Scalar) and isinstance(item.value, str):
        yield package(item.value.strip(), item.at)
        return
    pip = item.entries.get("pip") if isinstance(item, MapNode) and len(item.entries) == 1 else None
    if not isinstance(pip, ListNode):
        raise invalid(item.at, f"dependencies: a package, or 'pip:' and a list, is needed, not {shown(item)}")
    for one in pip.items:
        if not isinstance(one, Scalar) or not isinstance(one.value, str):
            raise invalid(one.at, f"pip: a requirement is text, not {shown(one)}")
        yield Found(pip_line(one.value.strip(), one.at, folder))


def pip_line(text: str, at: Place, folder: Path) -> Wanted:
    """What one line of ``pip:`` asks for; a requirements file must lie in the folder of the conda file."""
    name, value = option(text)
    if name not in INCLUDES:
        return line(text, str(at), folder)
    path = folder / value
    if not path.resolve().is_relative_to(folder.resolve()):
        raise Refused("environment.requirement", f"{at}: {text[:100]!r} lies outside the folder of the conda file")
    return read_requirements(path)


def package(text: str, at: Place) -> Found:
    """A conda package in PyPI's words: ``scikit-learn=1.2`` is ``scikit-learn==1.2.*``."""
    match = PACKAGE.fullmatch(text)
    if match is None:
        raise invalid(at, f"dependencies: {text[:100]!r} is not read; write NAME, NAME=1.2 or NAME>=1.2,<2")
    name, versions = canonicalize_name(match["name"]).lstrip("-"), (match["versions"] or "").strip()
    if name == "python":
        return Found(python=python(versions, text, at))
    known = pypi_name(name)
    if known is None:
        message = f"the conda package {match['name']!r} is not known to be on PyPI under this name"
        raise invalid(at, f"{message}; if it is, write it below 'pip:' as NAME==VERSION, else leave it out")
    return Found(Wanted((requirement(known + pep440(versions, text, at), str(at)),))) if known else Found()


def python(versions: str, text: str, at: Place) -> str:
    """``=3.8`` as ``3.8``, ``>=3.9,<3.12`` as it is; Python's builds are of no interest."""
    wanted = pep440(versions, text, at)
    plain = wanted.removeprefix("==").removesuffix(".*")
    wanted = plain if re.fullmatch(r"[0-9.]+", plain) else wanted
    python_versions(wanted)
    return wanted


def pep440(versions: str, text: str, at: Place) -> str:
    """conda's versions in Python's: ``=1.2`` means any 1.2, and what follows a further ``=`` names a build."""
    without_build = match["version"] if (match := BUILD.fullmatch(versions)) else versions
    parts = without_build.split(",") if without_build else []
    return ",".join(one_version(part.strip(), text, at) for part in parts)


def one_version(part: str, text: str, at: Place) -> str:
    match = VERSION.fullmatch(part)
    if match is None:
        raise invalid(at, f"dependencies: the version in {text[:100]!r} is not read; write =1.2, ==1.2.3 or >=1.2,<2")
    operator, version = match["operator"] or "=", match["version"]
    if operator == "=":
        return f"=={version.removesuffix('*').removesuffix('.')}.*"
    return operator + version


def variables_of(node: Node) -> dict[str, str]:
    if not isinstance(node, MapNode) or not all(isinstance(one, Scalar) for one in node.entries.values()):
        raise invalid(node.at, f"variables: names and their values are needed, not {shown(node)}")
    return variables(node)


def mapping(written: Mapping[str, Written], at: Place) -> MapNode:
    return MapNode({key: node(value, at) for key, value in written.items()}, dict.fromkeys(written, at), at)


def node(value: Written, at: Place) -> Node:
    if isinstance(value, Mapping):
        return mapping(value, at)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ListNode(tuple(node(one, at) for one in value), at)
    return Scalar(value, at, "" if value is None else str(value))


def invalid(at: Place, message: str) -> Refused:
    return Refused("environment.conda", f"{at}: {message}")
