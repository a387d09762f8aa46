"""Reads a conda file as an environment of PyPI packages: Python's version, the ``pip:`` section, and known names.

No conda is run and no channel is asked. A package that cannot be carried over is refused with its line: an
environment that silently lacks something fails later and elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from treering.domain.job_spec import EnvironmentSpec
from treering.kernel.refusal import Refused
from treering.specs.conda_match import pep440, read_match
from treering.specs.conda_names import OF_THE_WHEELS, instead_of, pypi_name
from treering.specs.faults import Faults
from treering.specs.nodes import ListNode, MapNode, Node, Place, Scalar, Value, shown, variables
from treering.specs.on_disk import real
from treering.specs.package_index import index_urls
from treering.specs.requirement_lines import (
    CONSTRAINTS,
    INCLUDES,
    Wanted,
    constrained,
    included,
    joined,
    line,
    option,
    read_requirements,
)
from treering.specs.requirements import python_versions, requirement, requirements
from treering.specs.yaml_text import read_yaml

KEYS = frozenset({"name", "channels", "dependencies", "variables", "prefix"})
PUBLIC = frozenset({
    "defaults", "nodefaults", "main", "anaconda", "conda-forge", "pytorch", "pytorch-nightly", "nvidia", "fastai",
    "huggingface", "intel", "msys2", "r", "free", "microsoft",
})  # fmt: skip
OF_BUILDS = ("cuda", "gpu", "cpu", "mkl", "openblas", "mpi")  # what builds are chosen for
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
    """Everything that is wrong with the file is refused at once, a line each."""
    faults = Faults()
    for key, at in root.places.items():
        if key not in KEYS:
            faults.add(invalid(at, f"{key!r} is no key of a conda file, which has {', '.join(sorted(KEYS))}"))
    dependencies = root.entries.get("dependencies", ListNode((), root.at))
    if not isinstance(dependencies, ListNode):
        raise invalid(dependencies.at, f"dependencies: a list is needed, not {shown(dependencies)}")
    found = [one for item in dependencies.items for one in dependency(item, folder, faults)]
    pythons = sorted({one.python for one in found if one.python})
    if len(pythons) > 1:
        said = f"dependencies: python is wanted as {' and '.join(pythons)}; name one version"
        faults.add(invalid(dependencies.at, said))
    faults.refuse("environment.conda")
    wanted = joined(one.wanted for one in found)
    return EnvironmentSpec(
        python=pythons[0] if pythons else "",
        requirements=requirements(wanted.requirements, source),
        indexes=index_urls(wanted.indexes, source),
        modules=tuple(map(str, wanted.modules)),
        constraints=requirements(wanted.constraints, source),
        variables=variables_of(root.entries.get("variables", MapNode({}, {}, root.at))),
        source=source,
    )


def dependency(item: Node, folder: Path, faults: Faults) -> Iterator[Found]:
    """One item of ``dependencies``: a package, or ``pip:`` with a list of requirements."""
    if isinstance(item, Scalar) and isinstance(item.value, str):
        with faults.caught():
            yield package(item.value.strip(), item.at)
        return
    pip = item.entries.get("pip") if isinstance(item, MapNode) and len(item.entries) == 1 else None
    if not isinstance(pip, ListNode):
        said = f"dependencies: a package, or 'pip:' and a list, is needed, not {shown(item)}"
        faults.add(invalid(item.at, said))
        return
    for one in pip.items:
        with faults.caught():
            yield Found(pip_item(one, folder))


def pip_item(item: Node, folder: Path) -> Wanted:
    if not isinstance(item, Scalar) or not isinstance(item.value, str):
        raise invalid(item.at, f"pip: a requirement is text, not {shown(item)}")
    return pip_line(item.value.strip(), item.at, folder)


def pip_line(text: str, at: Place, folder: Path) -> Wanted:
    """What one line of ``pip:`` asks for; a requirements file must lie in the folder of the conda file."""
    name, value = option(text)
    if name not in INCLUDES | CONSTRAINTS:
        return line(text, str(at), folder)
    path = included(value, Path(at.file), folder, str(at)) if "://" in value else folder / value
    if not real(path).is_relative_to(real(folder)):
        raise Refused("environment.requirement", f"{at}: {text[:100]!r} lies outside the folder of the conda file")
    found = read_requirements(path)
    return constrained(found, str(at)) if name in CONSTRAINTS else found


def package(text: str, at: Place) -> Found:
    """A conda package in PyPI's words: ``scikit-learn=1.2`` is ``scikit-learn==1.2.*``."""
    match = read_match(text, at)
    if match.key == "python":
        return Found(python=python(match.versions, text, at))
    known = "" if match.name.startswith("__") else pypi_name(match.key)  # __glibc is what conda found on a machine
    if known is None:
        message = f"the conda package {match.name!r} is not known to be on PyPI under this name"
        raise invalid(at, f"{message}; {instead_of(match.key)}")
    versions = pep440(match.versions, text, at)
    return Found(Wanted((requirement(known + versions, str(at)),))) if known else Found()


def python(versions: str, text: str, at: Place) -> str:
    """``=3.8`` as ``3.8``, ``>=3.9,<3.12`` as it is; Python's builds are of no interest."""
    wanted = pep440(versions, text, at)
    plain = wanted.removeprefix("==").removesuffix(".*")
    wanted = plain if re.fullmatch(r"[0-9.]+", plain) else wanted
    python_versions(wanted)
    return wanted


def passed_over(root: MapNode) -> Iterator[tuple[Place, str]]:
    """What is not carried out of a conda file that is accepted, and may matter to people: libraries that wheels bring
    themselves, builds, and channels of their own."""
    for item in items(root, "dependencies"):
        if isinstance(item, Scalar) and isinstance(item.value, str):
            match = read_match(item.value.strip(), item.at)
            if match.key in OF_THE_WHEELS:
                yield item.at, f"dependencies: {match.name} is not installed: the wheels bring what they need of it"
            elif any(word in match.build for word in OF_BUILDS):
                yield item.at, f"dependencies: {match.name}: its version is installed, not the build {match.build!r}"
    for channel in items(root, "channels"):
        name = str(channel.value).rstrip("/").rpartition("/")[2] if isinstance(channel, Scalar) else ""
        if name not in PUBLIC:  # the last part of an address alone: before it there may be a token
            yield channel.at, f"channels: {name[:80]!r} is not asked: packages come from the package index"


def items(root: MapNode, key: str) -> tuple[Node, ...]:
    found = root.entries.get(key)
    return found.items if isinstance(found, ListNode) else ()


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
