"""Reads the Dockerfiles people write to get a Python with packages, as an environment.

``FROM`` a known image, ``ARG``, ``ENV``, ``COPY`` and what ``RUN`` installs with pip and conda are understood. Anything
else would do what an environment cannot, so every such line is refused.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from treering.domain.job_spec import EnvironmentSpec
from treering.kernel.refusal import Refused
from treering.kernel.url_secrets import without_secrets
from treering.specs import dockerfile_notes as notes
from treering.specs.dockerfile_text import Instruction, instructions
from treering.specs.faults import Faults
from treering.specs.image_files import Placed
from treering.specs.images import curated
from treering.specs.install_commands import Installed, install, packages, script_of
from treering.specs.on_disk import real
from treering.specs.package_index import index_urls
from treering.specs.pip_settings import indexes_of, refuse_mentions, settings_of
from treering.specs.requirement_lines import Wanted, joined
from treering.specs.requirements import requirements
from treering.specs.shell_words import Command, commands, with_values
from treering.specs.working_place import BUILDKIT, WorkingPlace
from treering.specs.yaml_text import read_text

# They are about files of the image, or about how a container of it is run: a job has a command of its own.
NO_EFFECT = frozenset({
    "LABEL", "CMD", "EXPOSE", "HEALTHCHECK", "MAINTAINER", "SHELL",
    "STOPSIGNAL", "USER", "VOLUME",
})  # fmt: skip
OF_THE_IMAGE = re.compile(
    r"PATH|LD_LIBRARY_PATH|HOME|PYTHONHOME|VIRTUAL_ENV|CONDA_.*|AZUREML_CONDA_.*|DEBIAN_FRONTEND|PIP_.*|UV_.*|POETRY_.*"
)
SHELLS = frozenset({"", "sh", "bash", "/bin/sh", "/bin/bash"})
SHELLS_MAX = 5  # one within another
SETUPTOOLS = "setuptools<81; python_version < '3.12'"
KNOWN = "start from one image such as python:3.11 or mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"


class Reader:
    """What one Dockerfile amounts to so far; ``context`` is the folder it may copy from."""

    def __init__(self, file: Path, context: Path) -> None:
        self.file = file
        self.context = context
        self.base: EnvironmentSpec | None = None
        self.found: list[Installed] = []
        self.indexes: list[Wanted] = []  # that variables and settings of pip name
        self.arguments = {"PYTHONPATH": ""}  # which no image sets, and many lines put before or after another
        self.variables: dict[str, str] = {}
        self.place = WorkingPlace(context)
        self.notes: list[tuple[int, str]] = []  # what is left out, with its line
        self.copies: list[tuple[int, list[Placed]]] = []  # what each COPY and ADD placed
        self.line = 0

    def read(self) -> EnvironmentSpec:
        text, faults = read_text(self.file), Faults()
        for one in instructions(text):
            self.line = one.line
            line = without_secrets(text.splitlines()[one.line - 1].strip())
            with faults.caught():
                self.instruction(one, f"{self.file}:{one.line}: {line[:100]!r}")
        faults.refuse("environment.dockerfile")
        if self.base is None:
            raise Refused("environment.dockerfile", f"{self.file}: has no FROM")
        wanted = joined([*(one.wanted for one in self.found), *self.indexes])
        return EnvironmentSpec(
            python=next((one.python for one in reversed(self.found) if one.python), self.base.python),
            requirements=requirements([*self.base.requirements, *wanted.requirements, *self.shipped()], str(self.file)),
            indexes=index_urls(wanted.indexes, str(self.file)),
            modules=tuple(map(str, wanted.modules)),
            constraints=requirements(wanted.constraints, str(self.file)),
            image=self.base.image,
            variables={name: value for one in self.found for name, value in one.variables.items()} | self.variables,
            source=str(self.file),
        )

    def shipped(self) -> list[str]:
        """What the official Python images bring up to 3.11, and packages of that time count on."""
        named = any(text.startswith("setuptools") for one in self.found for text in one.wanted.requirements)
        return [SETUPTOOLS] if any(one.by_pip for one in self.found) and not named else []

    def note(self, said: str) -> None:
        if said:
            self.notes.append((self.line, said))

    def passed_over(self) -> list[tuple[int, str]]:
        """What of a Dockerfile that was read is not carried out, by line."""
        of_copies = [(line, notes.of_files(placed, self.place.read)) for line, placed in self.copies]
        return sorted({one for one in [*self.notes, *of_copies] if one[1]})

    def instruction(self, one: Instruction, shown: str) -> None:
        if one.word == "FROM":
            self.start(with_values(one.rest, self.arguments), shown)
        elif one.word == "ARG":
            found = self.pairs(one.rest, shown)
            self.arguments |= found
            self.indexes.append(indexes_of(found, shown))
        elif one.word == "ENV":
            self.set_variables(one.rest, shown)
        elif one.word == "RUN":
            with self.place.mounted(one.rest, shown):
                self.run(BUILDKIT.sub("", one.rest), one.documents, shown)
        elif one.word == "WORKDIR":
            self.place.work_in(with_values(one.rest, self.arguments))
        elif one.word in ("COPY", "ADD"):
            placed = self.place.copy(with_values(one.rest, self.arguments), one.documents, shown)
            self.copies.append((one.line, placed))
        elif one.word == "SHELL":
            refuse_mentions(one.rest, shown)
        elif one.word == "USER":
            self.note("" if one.rest in ("root", "0") else "jobs run as the user of the installation's runner")
        elif one.word not in NO_EFFECT:
            raise unmapped(shown)

    def start(self, rest: str, shown: str) -> None:
        words = [word for word in rest.split() if not word.startswith("--platform")]
        image = words[0] if words else ""
        found = curated(image) if image and "$" not in image else None
        if found is None or self.base is not None:
            what = "a second stage is not read" if self.base else "this image is not known"
            raise Refused("environment.dockerfile", f"{shown}: {what}; {KNOWN}")
        self.base = found

    def pairs(self, rest: str, shown: str) -> dict[str, str]:
        """``A=1 B=2`` or ``A 1``. An argument that was given a value already keeps it when none is given here."""
        found = [word for words in self.words(rest, shown) for word in words]
        if found and "=" not in found[0] and len(found) > 1:
            found = [f"{found[0]}={' '.join(found[1:])}"]
        return dict(pair.split("=", 1) for pair in found if "=" in pair)

    def set_variables(self, rest: str, shown: str) -> None:
        """Variables of the image's own folders mean nothing outside of it."""
        found = self.pairs(rest, shown)
        self.indexes.append(indexes_of(found, shown))
        if "PYTHONPATH" in found:
            found["PYTHONPATH"] = found["PYTHONPATH"].strip(":")
        self.arguments |= {name: value for name, value in found.items() if "$" not in value}
        kept = {name: value for name, value in found.items() if not OF_THE_IMAGE.fullmatch(name)}
        if any("$" in value for value in kept.values()):
            raise Refused("environment.dockerfile", f"{shown}: '$' in a value is not read; write the value out")
        self.variables |= kept
        self.note(notes.of_variables(found))

    def run(self, rest: str, documents: tuple[str, ...], shown: str) -> None:
        """A line of shell, the list of its words in JSON, or here-documents: scripts, or files that ``cat`` writes."""
        if (words := exec_form(rest)) is not None:
            self.command(Command(words, []), shown)
            return
        if documents and rest in SHELLS:
            for line in "\n".join(documents).replace("\\\n", " ").splitlines():
                self.shell(line, shown)
            return
        target = re.fullmatch(r"cat\s*>\s*(\S+)", rest)
        if documents and target:
            self.place.write(target[1], documents[-1], shown)
            return
        self.shell(rest, shown)

    def shell(self, line: str, shown: str, depth: int = 0) -> None:
        for one in self.commands(line, shown):
            self.command(one, shown, depth)
            if one.words[:1] == ["cd"]:
                self.place.change_folder(one.words, line)

    def command(self, one: Command, shown: str, depth: int = 0) -> None:
        words = one.words
        self.indexes.append(indexes_of(settings_of(words, shown), shown))
        if (script := script_of(words)) is not None and depth < SHELLS_MAX:
            current = self.place.current
            self.shell(script, shown, depth + 1)
            self.place.current = current
            return
        self.place.changed_files(one, shown)
        self.note(notes.of_command(one))
        found = packages(words)
        if found is None:
            raise unmapped(shown, " ".join(words))
        if found:
            folder = self.place.package_folder(found.words if found.tool == "pip" else (), shown)
            self.found.append(install(found, self.place.copied, folder, shown))

    def words(self, text: str, shown: str) -> list[list[str]]:
        return [one.words for one in self.commands(text, shown)]

    def commands(self, text: str, shown: str) -> list[Command]:
        try:
            return commands(text, self.arguments)
        except ValueError as error:
            raise Refused("environment.dockerfile", f"{shown}: {error}") from None


def read_dockerfile(context: Path, dockerfile: str = "Dockerfile") -> EnvironmentSpec:
    """The environment a build amounts to.

    Raises ``Refused``: ``environment.dockerfile`` naming the lines that cannot be mapped, or what
    ``read_requirements`` and ``read_conda`` raise.
    """
    return accepted(context, dockerfile)[0]


def accepted(context: Path, dockerfile: str) -> tuple[EnvironmentSpec, list[tuple[int, str]]]:
    """The environment, and by line what the Dockerfile has that no environment has."""
    file = context / dockerfile
    if not real(file).is_relative_to(real(context)):
        raise Refused("environment.dockerfile", f"dockerfile_path: {dockerfile!r} lies outside {str(context)!r}")
    reader = Reader(file, context)
    return reader.read(), reader.passed_over()


def exec_form(rest: str) -> list[str] | None:
    """The words of ``["pip", "install", "x"]``; None of what is no such list, and so a line of shell."""
    if not rest.startswith("["):
        return None
    try:
        found = json.loads(rest)
    except ValueError:
        return None
    return found if isinstance(found, list) and all(isinstance(word, str) for word in found) else None


def unmapped(shown: str, command: str = "") -> Refused:
    hint = "a Python environment can have pip and conda packages and ENV variables, no other programs"
    said = f": {command[:100]!r}" if command else ""
    return Refused("environment.dockerfile", f"{shown}{said} cannot be done without a container; {hint}")
