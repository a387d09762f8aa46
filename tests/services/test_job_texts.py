"""What of a job becomes part of a command line or a variable is judged when the job is submitted."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from treering.domain.job_spec import JobSpec
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.specs.submitted import check_job
from treering_services.executor import steps
from treering_services.executor.attempt import Attempt

SPEC: dict[str, Any] = {
    "command": "train ${{inputs.a}} ${{inputs.d}} ${{outputs.o}}",
    "environment": {"python": "3.11", "requirements": ["numpy"], "variables": {"E": "e"}, "source": "azureml:x:1"},
    "inputs": {
        "a": {"type": "string", "value": "text"},
        "d": {"type": "uri_folder", "path": "/data", "mode": "direct"},
        "w": {"type": "uri_file", "path": "https://example.com/file"},
    },
    "outputs": {"o": {"type": "mlflow_model", "name": "m", "path": "azureml://datastores/d/paths/p"}},
    "environment_variables": {"V": "v ${{inputs.a}}"},
    "experiment": "e", "display_name": "d", "description": "d", "tags": {"t": "t"}, "code_path": "src",
    "git": {"branch": "main"},
}  # fmt: skip


def leaves(value: Any, where: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every text of ``value``, and with a last step None to every key of free choice."""
    if isinstance(value, str):
        yield where
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        if where and where[-1] in ("variables", "environment_variables", "inputs", "outputs", "tags", "git"):
            yield (*where, key, None)
        yield from leaves(inner, (*where, key))


def with_nul(where: tuple[Any, ...]) -> dict[str, Any]:
    spec = copy.deepcopy(SPEC)
    inner: Any = spec
    is_key = where[-1] is None
    way = where[:-1] if is_key else where
    for key in way[:-1]:
        inner = inner[key]
    if is_key:
        inner[f"{way[-1]}\0"] = inner.pop(way[-1])
    else:
        inner[way[-1]] += "\0"
    return spec


def given_to_the_command(spec: JobSpec, folder: Path) -> list[str]:
    attempt = Attempt(Address("main", "job", "j"), 1, spec, folder, python=folder / "bin" / "python")
    for name, given in spec.inputs.items():
        attempt.input_paths[name] = str(given.value) if given.value is not None else given.path
    attempt.output_paths = {name: folder / name for name in spec.outputs}
    found = steps.variables(attempt, folder, "http://127.0.0.1:1", "token")
    return [*steps.command_line(attempt), *found.keys(), *found.values()]


def test_the_job_itself_is_accepted(tmp_path: Path) -> None:
    spec = msgspec.convert(SPEC, JobSpec)
    check_job(spec)
    assert "text" in " ".join(given_to_the_command(spec, tmp_path))


@pytest.mark.parametrize("where", list(leaves(SPEC)), ids=lambda where: ".".join(map(str, where)))
def test_a_nul_character_is_refused_at_submission_or_reaches_no_command(where: tuple[Any, ...], tmp_path: Path) -> None:
    try:
        spec = msgspec.convert(with_nul(where), JobSpec)
        check_job(spec)
    except (Refused, msgspec.ValidationError):
        return
    assert not [text for text in given_to_the_command(spec, tmp_path) if "\0" in text]
