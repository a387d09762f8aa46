"""Reads the Dockerfiles people write to get a Python with packages, as an environment.

``FROM`` a known image, ``RUN pip install`` and ``conda install``, ``ENV`` and ``COPY`` are understood. Anything
else would do what an environment cannot, so the first such line is refused.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from treering.domain.job_spec import EnvironmentSpec
from treering.kernel.refusal import Refused
from treering.specs.conda import conda_spec, read_requirements
from treering.specs.images import curated
from treering.specs.requirements import requirement, requirements
from treering.specs.yaml_text import read_text

NO_EFFECT = frozenset({"COPY", "ADD", "WORKDIR", "LABEL", "CMD", "EXPOSE", "MAINTAINER", "SHELL", "STOPSIGNAL", "USER"})
TIDYING = ("rm ", "mkdir ", "conda clean", "pip cache", "chmod ", "echo ", "true")
PIP = re.compile(r"(?:python3? -m )?pip3? install (?P<arguments>.+)")
CONDA = re.compile(r"(?:conda|mamba) (?:install|create) (?P<arguments>.+)")
FLAGS = frozenset({
    "-U", "--upgrade", "-q", "--quiet", "-y", "--yes", "--no-cache-dir", "--no-cache", "--user", "--pre",
    "--ignore-installed", "--prefer-binary", "--disable-pip-version-check",
})  # fmt: skip
CONDA_OPTIONS = frozenset({"-p", "--prefix", "-n", "--name", "-c", "--channel"})  # each with a value
OF_THE_IMAGE = re.compile(r"PATH|LD_LIBRARY_PATH|CONDA_.*|AZUREML_CONDA_.*|DEBIAN_FRONTEND")

SETUPTOOLS = "setuptools<81; python_version < '3.12'"


class Reader:
    """What one Dockerfile amounts to so far; ``context`` is the folder it may copy from."""

    def __init__(self, file: Path, context: Path) -> None:
        self.file = file
        self.context = context
        self.base: EnvironmentSpec | None = None
        self.python = ""
        self.requirements: list[str] = []
        self.variables: dict[str, str] = {}
        self.by_pip = False

    def read(self) -> EnvironmentSpec:
        for number, line in instructions(read_text(self.file)):
            word, _, rest = line.partition(" ")
            self.instruction(word.upper(), rest.strip(), f"{self.file}:{number}: {line[:100]!r}")
        if self.base is None:
            raise Refused("environment.dockerfile", f"{self.file}: has no FROM")
        return EnvironmentSpec(
            python=self.python or self.base.python,
            requirements=requirements([*self.base.requirements, *self.requirements, *self.shipped()], str(self.file)),
            image=self.base.image,
            variables=self.variables,
            source=str(self.file),
        )

    def shipped(self) -> list[str]:
        """What the official Python images bring up to 3.11, and packages of that time count on."""
        return [SETUPTOOLS] if self.by_pip else []

    def instruction(self, word: str, rest: str, shown: str) -> None:
        if word == "FROM":
            self.start(rest, shown)
        elif word == "RUN":
            for command in re.split(r"&&|;", rest):
                self.run(" ".join(command.split()), shown)
        elif word == "ENV":
            self.variables |= variables(rest, shown)
        elif word not in NO_EFFECT:
            raise unmapped(shown)

    def start(self, rest: str, shown: str) -> None:
        image = rest.split()[0] if rest else ""
        found = curated(image) if image and "$" not in image else None
        if found is None or self.base is not None:
            what = "a second stage is not read" if self.base else "this image is not known"
            raise Refused("environment.dockerfile", f"{shown}: {what}; {KNOWN}")
        self.base = found

    def run(self, command: str, shown: str) -> None:
        if match := PIP.fullmatch(command):
            self.pip(words(match["arguments"], shown), shown)
        elif match := CONDA.fullmatch(command):
            self.conda(words(match["arguments"], shown), shown)
        elif command and not f"{command} ".startswith(TIDYING):
            raise unmapped(shown)

    def pip(self, arguments: list[str], shown: str) -> None:
        self.by_pip = True
        remaining = iter(arguments)
        for word in remaining:
            if word in ("-r", "--requirement"):
                self.requirements += read_requirements(self.copied(next(remaining, ""), shown))
            elif word not in FLAGS and word not in ("pip", "setuptools", "wheel"):
                self.requirements.append(requirement(word, shown))

    def conda(self, arguments: list[str], shown: str) -> None:
        remaining = iter(arguments)
        packages = []
        for word in remaining:
            if word in CONDA_OPTIONS:
                next(remaining, "")
            elif word not in FLAGS:
                packages.append(word)
        found = conda_spec({"dependencies": [*packages]}, shown, self.context)
        self.python = found.python or self.python
        self.requirements += found.requirements

    def copied(self, written: str, shown: str) -> Path:
        """The file of the context that a path in the image was copied from: the same path, or the same name."""
        inside = written.lstrip("/")
        for candidate in (self.context / inside, self.context / PurePosixPath(inside).name):
            if candidate.is_file() and candidate.resolve().is_relative_to(self.context.resolve()):
                return candidate
        raise Refused("environment.dockerfile", f"{shown}: there is no {written!r} in {str(self.context)!r}")


KNOWN = "start from one image such as python:3.11 or mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"


def read_dockerfile(context: Path, dockerfile: str = "Dockerfile") -> EnvironmentSpec:
    """The environment a build amounts to.

    Raises ``Refused``: ``environment.dockerfile`` naming the first line that cannot be mapped, or what
    ``read_requirements`` and ``read_conda`` raise.
    """
    file = context / dockerfile
    if not file.resolve().is_relative_to(context.resolve()):
        raise Refused("environment.dockerfile", f"dockerfile_path: {dockerfile!r} lies outside {str(context)!r}")
    return Reader(file, context).read()


def instructions(text: str) -> Iterator[tuple[int, str]]:
    """Each instruction with the line it starts in, joined over backslashes, without comments."""
    pending, start = "", 0
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        start = start or number
        if line.endswith("\\"):
            pending += line[:-1] + " "
            continue
        yield start, pending + line
        pending, start = "", 0
    if pending:
        yield start, pending


def variables(rest: str, shown: str) -> dict[str, str]:
    """``ENV A=1 B=2`` or ``ENV A 1``. Variables of the image's own folders mean nothing outside of it."""
    pairs = words(rest, shown)
    if pairs and "=" not in pairs[0]:
        pairs = [f"{pairs[0]}={' '.join(pairs[1:])}"]
    found = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    kept = {name: value for name, value in found.items() if not OF_THE_IMAGE.fullmatch(name)}
    if any("$" in value for value in kept.values()):
        raise Refused("environment.dockerfile", f"{shown}: '$' in a value is not read; write the value out")
    return kept


def words(text: str, shown: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise Refused("environment.dockerfile", f"{shown}: {error}") from None


def unmapped(shown: str) -> Refused:
    hint = "a Python environment can have pip and conda packages and ENV variables, no other programs"
    return Refused("environment.dockerfile", f"{shown} cannot be done without a container; {hint}")
