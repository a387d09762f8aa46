"""Reads the lines that people give to pip: requirements, package indexes, packages of their own folder.

A line is one of a requirements file, an item of ``pip:`` in a conda file, or an argument of ``pip install``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from treering.kernel.refusal import Refused
from treering.kernel.url_secrets import without_secrets
from treering.specs.faults import Faults
from treering.specs.local_package import local_package
from treering.specs.on_disk import real
from treering.specs.package_index import index_url
from treering.specs.requirements import FROM_ELSEWHERE, requirement
from treering.specs.yaml_text import read_text

FILES_MAX = 20
OPTION = re.compile(r"(?P<name>--?[A-Za-z][A-Za-z-]*)(?:(?:\s*=\s*|\s+)(?P<value>.*))?")
SHORT = re.compile(r"(?P<name>-[a-z])(?P<value>[^\s-].*)")
INCLUDES = frozenset({"-r", "--requirement"})
CONSTRAINTS = frozenset({"-c", "--constraint"})
INDEXES = frozenset({"-i", "--index-url", "--pypi-url", "--extra-index-url"})
LINKS = frozenset({"-f", "--find-links"})
FOLDERS = frozenset({"-e", "--editable"})
# They change how pip looks or what it says, not what is installed from an index with wheels.
NO_EFFECT = frozenset({
    "--prefer-binary", "--only-binary", "--require-hashes", "--trusted-host", "--use-feature", "--no-cache-dir",
    "--disable-pip-version-check", "--progress-bar", "--timeout", "--default-timeout", "--retries",
})  # fmt: skip
LOCAL = re.compile(r"\.{1,2}(?:/[^\s]*)?(?:\[[^\]]*\])?|(?:\./|\.\./|file:)[^\s]+")


class Wanted(NamedTuple):
    """``modules``: the folders on this machine that packages of the user's own are imported from."""

    requirements: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()
    modules: tuple[Path, ...] = ()
    constraints: tuple[str, ...] = ()


def joined(found: Iterable[Wanted]) -> Wanted:
    """All of them as one, in their order."""
    all_of = tuple(found)
    return Wanted(
        tuple(text for one in all_of for text in one.requirements),
        tuple(dict.fromkeys(url for one in all_of for url in one.indexes)),
        tuple(dict.fromkeys(path for one in all_of for path in one.modules)),
        tuple(text for one in all_of for text in one.constraints),
    )


def read_requirements(path: Path) -> Wanted:
    """What a file and those it includes with ``-r`` from the same folder want.

    Raises ``Refused``: ``environment.`` ``requirement``, ``index``, ``local_package`` with file and line, or
    ``yaml.unreadable`` and its kin.
    """
    faults = Faults()
    found = joined(read_files(path, real(path).parent, set(), faults))
    faults.refuse("environment.requirement")
    return found


def read_files(path: Path, folder: Path, seen: set[Path], faults: Faults) -> Iterable[Wanted]:
    """A file that was read already is not read again. What is wrong with a line is left in ``faults``."""
    if real(path) in seen:
        return
    seen.add(real(path))
    if len(seen) > FILES_MAX:
        raise Refused("environment.requirement", f"{path}: more than {FILES_MAX} files include one another")
    for number, text in logical_lines(read_text(path)):
        where = f"{path}:{number}"
        name, value = option(text)
        with faults.caught():
            if name in INCLUDES:
                yield from read_files(included(value, path, folder, where), folder, seen, faults)
            elif name in CONSTRAINTS:
                yield constrained(read_requirements(included(value, path, folder, where)), where)
            else:
                yield line(text, where, path.parent)


def included_files(path: Path) -> list[str]:
    """The files that a requirements or conda file includes, and those they include, as written from its folder."""
    found: list[str] = []
    remaining = [path.name]
    while remaining and len(found) <= FILES_MAX:
        inside = remaining.pop()
        for _, text in logical_lines(read_text(path.parent / inside)):
            name, value = option(text.removeprefix("- ").strip("'\""))
            target = str(Path(inside).parent / value)
            if name in INCLUDES | CONSTRAINTS and "://" not in value and target not in found:
                found.append(target)
                remaining += [target] if (path.parent / target).is_file() else []
    return found


def line(text: str, where: str, folder: Path) -> Wanted:
    """One line; ``folder`` is where a package of the user's own is looked for."""
    name, value = option(text)
    if name in INDEXES:
        url = index_url(value, where)
        return Wanted(indexes=(url,) if url else ())
    if name in FOLDERS or LOCAL.fullmatch(text.strip()):
        return of_folder(value if name else text.strip(), where, folder)
    if name in NO_EFFECT:
        return Wanted()
    if name in LINKS:
        advice = "name the index itself with --extra-index-url, if the operator lists it (TREERING_INDEXES)"
        raise Refused("environment.requirement", f"{where}: {text.split('@')[-1][:100]!r} is a page of links; {advice}")
    return Wanted((requirement(text, where),))


def of_folder(written: str, where: str, folder: Path) -> Wanted:
    if FROM_ELSEWHERE.search(written):
        return Wanted((requirement(written, where),))  # which says what to write instead
    found = local_package(written, folder, where)
    return Wanted(tuple(requirement(one, where) for one in found.needs), modules=(found.modules,))


def constrained(found: Wanted, where: str) -> Wanted:
    """What a file of constraints says: it wants nothing itself."""
    for text in found.requirements:
        if "[" in text.partition(";")[0]:
            raise Refused(
                "environment.requirement", f"{where}: the constraint {text[:100]!r} has extras; leave them out"
            )
    return Wanted(indexes=found.indexes, constraints=found.requirements)


def option(text: str) -> tuple[str, str]:
    """The name and the value of an option; two empty texts when it is none."""
    stripped = text.strip()
    match = SHORT.fullmatch(stripped) or OPTION.fullmatch(stripped)
    return (match["name"], (match["value"] or "").strip().strip("'\"")) if match else ("", "")


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


def included(written: str, path: Path, folder: Path, where: str) -> Path:
    if "://" in written:
        said = f"{where}: {without_secrets(written)[:100]!r} is not fetched; put the file into the folder and name it"
        raise Refused("environment.requirement", said)
    target = path.parent / written
    if not real(target).is_relative_to(folder):
        raise Refused("environment.requirement", f"{where}: {written!r} lies outside the folder of the first file")
    return target
