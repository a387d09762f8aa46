"""Finds in a job's code what only Azure itself can answer: the SDK v1's Run, clients of Azure, its datastores.

Such code starts and then fails late, or loses its metrics in silence, so the job gets a note when it is submitted. It
is a look at the text, within bounds: nothing is run, and what is not seen fails as it did.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from treering.specs.nodes import Place, Report

ENTRIES_MAX = 20_000  # of one folder of code
FILES_MAX = 1000
BYTES_MAX = 256 * 1024  # of one file
PASSED_OVER = frozenset({"__pycache__", "node_modules", "site-packages", "venv"})
SUFFIXES = (".py", ".ipynb", ".sh")
V1_WORDS = r"from\s+azureml\.core\b|import\s+azureml\.core\b|\bRun\.get_context\s*\("
CLIENT_WORDS = r"from\s+azure\.ai\.ml\b|import\s+azure\.ai\.ml\b|\bMLClient\s*\("
IDENTITY_WORDS = r"\b(?:AzureMLOnBehalfOf|OnBehalfOf|ManagedIdentity|DefaultAzure)Credential\b"
STORE_WORDS = r"\bazureml\.fsspec\b|\bazureml\.dataprep\b|\bAzureMachineLearningFileSystem\b"


class Kind(NamedTuple):
    words: re.Pattern[str]
    said: str


KINDS = (
    Kind(
        re.compile(V1_WORDS),
        "uses the Azure ML SDK v1 (azureml.core), which nothing answers here: what Run.log is given is only printed, "
        "and there is no Workspace; log with mlflow.log_metric, mlflow.log_artifact and so on, without any set-up",
    ),
    Kind(
        re.compile(CLIENT_WORDS),
        "uses azure.ai.ml (MLClient), which asks Azure and not this installation: ask the address TREERING_URL with "
        "TREERING_TOKEN, which every job has; with identity user_identity a job may submit jobs there",
    ),
    Kind(
        re.compile(IDENTITY_WORDS),
        "asks for a credential of Azure, which no job has here, whatever its identity is: give what it needs "
        "in environment_variables (with --secret where it is secret)",
    ),
    Kind(
        re.compile(STORE_WORDS),
        "reads datastores of Azure from the script, and there are none here: name the data among inputs",
    ),
)


def note_azure_code(code: Path | None, command: str, at: Place, report: Report) -> None:
    """A note for each kind that the command or a file of ``code`` has, with the first place of it."""
    missing = list(KINDS)
    for shown, text in texts(code, command):
        for kind in list(missing):
            if found := first_line(kind.words, text):
                missing.remove(kind)
                key = "command" if not shown else "code"
                report.note(at, key, f"{shown}:{found} {kind.said}" if shown else kind.said)
        if not missing:
            return


def first_line(words: re.Pattern[str], text: str) -> int:
    """Counted from 1; 0 where it is nowhere but in comments."""
    for number, line in enumerate(text.splitlines(), 1):
        found = words.search(line)
        if found and "#" not in line[: found.start()]:
            return number
    return 0


def texts(code: Path | None, command: str) -> Iterator[tuple[str, str]]:
    """The command, which has no name, and the first files of the code."""
    yield "", command
    if code is None:
        return
    for count, file in enumerate(files(code)):
        if count == FILES_MAX:
            return
        try:
            with file.open("rb") as opened:
                text = opened.read(BYTES_MAX).decode("utf-8", "replace")
        except OSError:
            continue  # the upload says what is wrong with it
        yield file.relative_to(code).as_posix() if code.is_dir() else file.name, text


def files(code: Path) -> Iterator[Path]:
    """Those that may have code, each folder in the order of its names; no links, devices or what tools keep."""
    if not code.is_dir():
        if code.is_file():
            yield code
        return
    seen = 0
    for folder, folders, names in os.walk(code):
        seen += len(folders) + len(names)
        if seen > ENTRIES_MAX:
            return
        folders[:] = sorted(one for one in folders if one not in PASSED_OVER and not one.startswith("."))
        for name in sorted(names):
            file = Path(folder, name)
            if name.endswith(SUFFIXES) and file.is_file() and not file.is_symlink():
                yield file
