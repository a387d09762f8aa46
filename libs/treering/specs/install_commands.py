"""Reads the commands that install packages in a Dockerfile: pip, uv, conda, and what people run around them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import dropwhile, pairwise
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from treering.kernel.refusal import Refused
from treering.specs.conda import conda_spec, read_conda
from treering.specs.pip_settings import ASSIGNMENT
from treering.specs.requirement_lines import (
    CONSTRAINTS,
    INCLUDES,
    INDEXES,
    Wanted,
    constrained,
    joined,
    line,
    logical_lines,
    read_requirements,
)

PYTHON = re.compile(r"python(?:3(?:\.\d+)?)?")
PIP = re.compile(r"pip(?:3(?:\.\d+)?)?")
CONDA = frozenset({"conda", "mamba", "micromamba"})
# They leave nothing that a Python environment would lack.
TIDYING = frozenset({
    "rm", "mkdir", "chmod", "chown", "echo", "printf", "true", ":", "set", "cd", "export", "ls", "which", "exit",
    "source", "touch", "ln", "date", "pwd", "id", "whoami", "uname", "cat", "ldconfig", "useradd", "adduser",
    "groupadd", "addgroup", "usermod", "virtualenv", "nvidia-smi",
})  # fmt: skip
SHELL = frozenset({"sh", "bash", "dash"})
SCRIPT = re.compile(r"-[a-z]*c")
ASKING = frozenset({"--version", "-V", "list", "freeze", "check", "cache", "config", "show", "debug"})
CONDA_ASKING = frozenset({"clean", "init", "activate", "deactivate", "config", "info", "list", "--version", "tos"})
FLAGS = frozenset({
    "-U", "--upgrade", "-q", "-qq", "--quiet", "-v", "--verbose", "-y", "--yes", "--no-cache-dir", "--no-cache",
    "--user", "--pre", "--ignore-installed", "-I", "--force-reinstall", "--prefer-binary",
    "--disable-pip-version-check", "--compile", "--no-warn-script-location", "--break-system-packages",
    "--system", "--no-input", "--prune", "--force", "--override-channels", "--no-warn-conflicts", "--all",
})  # fmt: skip
# Options whose value is the next word, unless it follows a "=".
WITH_VALUE = frozenset({
    "--timeout", "--default-timeout", "--retries", "--trusted-host", "--progress-bar", "--root-user-action",
    "--only-binary", "--python", "--cache-dir", "--use-feature", "--upgrade-strategy",
})  # fmt: skip
CONDA_OPTIONS = frozenset({"-p", "--prefix", "-n", "--name", "-c", "--channel"})
CLUSTER = re.compile(r"-(?P<flags>[UqvyI]+)(?P<rest>r?)")  # -qU, and -Ur FILE
HOOK = re.compile(r"\S*(?:conda|mamba|micromamba)\S* shell[. ].*", re.DOTALL)
OF_EVERY_ENVIRONMENT = re.compile(r"setuptools|(?:pip|wheel|uv)(?:[=<>!~].*)?")
Copied = Callable[[str, str], Path | str]


class Packages(NamedTuple):
    """The words after ``pip install``, ``conda install`` or ``conda env create``; ``tool`` is pip, conda or file."""

    tool: str
    words: tuple[str, ...]


class Installed(NamedTuple):
    """What one command adds to an environment."""

    wanted: Wanted = Wanted()
    python: str = ""
    variables: Mapping[str, str] = {}
    by_pip: bool = False


def packages(words: list[str]) -> Packages | tuple[()] | None:
    """What a command installs; an empty tuple when it installs nothing, None when it does what is not understood."""
    program, rest = without_wrappers(words)
    if not program or program in TIDYING or (program == "eval" and HOOK.search(" ".join(rest))):
        return ()
    if program == "uv" and rest[:1] == ["pip"]:
        return by_pip(rest[1:])
    if PIP.fullmatch(program):
        return by_pip(rest)
    if PYTHON.fullmatch(program):
        if rest[:2] == ["-m", "pip"]:
            return by_pip(rest[2:])
        return () if rest[:1] in (["--version"], ["-V"]) or rest[:2] in (["-m", "venv"], ["-m", "virtualenv"]) else None
    return by_conda(rest) if program in CONDA else None


def script_of(words: list[str]) -> str | None:
    """The line of shell that ``bash -c LINE`` runs; None of another command."""
    program, rest = without_wrappers(words)
    while program in SHELL and rest and rest[0].startswith("-"):
        if SCRIPT.fullmatch(rest[0]):
            return rest[1] if len(rest) > 1 else ""
        rest = rest[2:] if rest[0] in ("-o", "+o") else rest[1:]
    return None


def without_wrappers(words: list[str]) -> tuple[str, list[str]]:
    """The program by its name alone, and its arguments: ``A=1 sudo /opt/conda/bin/pip install x`` is pip's."""
    remaining = list(words)
    while remaining and (ASSIGNMENT.fullmatch(remaining[0]) or remaining[0] in ("sudo", "env", "exec", "time")):
        remaining.pop(0)
    if not remaining:
        return "", []
    program, rest = PurePosixPath(remaining[0]).name, remaining[1:]
    if program in CONDA and rest[:1] == ["run"]:
        return without_wrappers(after_options(rest[1:]))
    return program, rest


def after_options(words: list[str]) -> list[str]:
    """What ``conda run`` is to run: the words after its own options."""
    remaining = iter(enumerate(words))
    for position, word in remaining:
        if word in CONDA_OPTIONS:
            next(remaining, None)
        elif not word.startswith("-"):
            return words[position:]
    return []


def by_pip(rest: list[str]) -> Packages | tuple[()] | None:
    rest = list(dropwhile(lambda word: word in FLAGS, rest)) or rest  # options may stand before what pip is to do
    if rest[:1] == ["install"]:
        return Packages("pip", tuple(rest[1:]))
    return () if rest and rest[0] in ASKING else None


def by_conda(rest: list[str]) -> Packages | tuple[()] | None:
    if rest[:1] in (["install"], ["create"]):
        return Packages("file" if names_conda_file(rest) else "conda", tuple(rest[1:]))
    if rest[:1] == ["update"] and all(word.startswith("-") or word in ("base", "conda") for word in rest[1:]):
        return ()  # of conda itself
    if rest[:2] in (["env", "create"], ["env", "update"]):
        return Packages("file", tuple(rest[2:]))
    return () if rest and rest[0] in CONDA_ASKING else None


def names_conda_file(words: list[str]) -> bool:
    """Whether it is what is in a YAML that is installed, as with ``micromamba install -f env.yml``."""
    files = [word for before, word in pairwise(words) if before in ("-f", "--file")]
    files += [word.partition("=")[2] for word in words if word.startswith("--file=")]
    return any(word.endswith((".yml", ".yaml")) for word in files)


def install(found: Packages, copied: Copied, context: Path, shown: str) -> Installed:
    """What the packages of a command amount to; ``copied`` finds the file that a path of the image means.

    Raises ``Refused``: ``environment.`` ``dockerfile``, ``requirement``, ``index``, ``local_package``, ``conda``.
    """
    if found.tool == "pip":
        return Installed(joined(pip_words(found.words, copied, context, shown)), by_pip=True)
    if found.tool == "conda":
        return of_conda(conda_words(found.words), context, shown)
    return of_conda_file(found.words, copied, shown)


def pip_words(words: tuple[str, ...], copied: Copied, context: Path, shown: str) -> Iterator[Wanted]:
    remaining = iter(spread(words))
    for word in remaining:
        name, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if name in INCLUDES:
            yield from required(copied(value if equals else next(remaining, ""), shown), context, shown)
        elif name in CONSTRAINTS:
            found = required(copied(value if equals else next(remaining, ""), shown), context, shown)
            yield constrained(joined(found), shown)
        elif name in INDEXES or name in ("-e", "--editable"):
            yield line(f"{name} {value if equals else next(remaining, '')}", shown, context)
        elif name in WITH_VALUE:
            if not equals:
                next(remaining, "")
        elif word not in FLAGS and not OF_EVERY_ENVIRONMENT.fullmatch(word):
            yield line(word, shown, context)


def spread(words: tuple[str, ...]) -> Iterator[str]:
    """The words with ``-qU`` as its two options and ``-rFILE`` as two words."""
    for word in words:
        if match := CLUSTER.fullmatch(word):
            yield from (f"-{letter}" for letter in match["flags"] + match["rest"])
        elif word.startswith("-r") and len(word) > 2:
            yield from ("-r", word[2:])
        else:
            yield word


def required(found: Path | str, context: Path, shown: str) -> Iterator[Wanted]:
    if isinstance(found, Path):
        yield read_requirements(found)
        return
    for _, text in logical_lines(found):
        yield line(text, shown, context)


def conda_words(words: tuple[str, ...]) -> list[str]:
    remaining = iter(words)
    found = []
    for word in remaining:
        if word in CONDA_OPTIONS:
            next(remaining, "")
        elif word not in FLAGS and not word.startswith(tuple(f"{one}=" for one in CONDA_OPTIONS)):
            found.append(word)
    return found


def of_conda(words: list[str], context: Path, shown: str) -> Installed:
    found = conda_spec({"dependencies": [*words]}, shown, context)
    return Installed(Wanted(found.requirements), found.python)


def of_conda_file(words: tuple[str, ...], copied: Copied, shown: str) -> Installed:
    """``conda env create -f FILE``: ``environment.yml`` when no file is named."""
    remaining = iter(words)
    written = "environment.yml"
    for word in remaining:
        name, equals, value = word.partition("=")
        if name in ("-f", "--file"):
            written = value if equals else next(remaining, "")
        elif name in CONDA_OPTIONS and not equals:
            next(remaining, "")
    path = copied(written, shown)
    if not isinstance(path, Path):
        raise Refused(
            "environment.dockerfile", f"{shown}: a conda file of a here-document is not read; write it beside"
        )
    found = read_conda(path)
    wanted = Wanted(found.requirements, found.indexes, tuple(map(Path, found.modules)), found.constraints)
    return Installed(wanted, found.python, found.variables)
