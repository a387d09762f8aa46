"""What a job is to run, with every reference resolved: the part of a job that never changes.

It is written once, into ``job.submitted``, so that nobody who carries the job out has to ask back.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

LiteralType = Literal["string", "number", "integer", "boolean"]
DataType = Literal["uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model"]
InputMode = Literal["ro_mount", "download", "direct", "eval_mount", "eval_download"]
OutputMode = Literal["rw_mount", "upload", "direct"]
Scalar = str | int | float | bool
MODEL_TYPES = ("mlflow_model", "custom_model", "triton_model")


class EnvironmentSpec(Struct, frozen=True, omit_defaults=True):
    """A Python and what is installed in it; ``image`` is the container image the user named, if any."""

    python: str = ""
    requirements: tuple[str, ...] = ()
    image: str = ""
    variables: dict[str, str] = {}
    source: str = ""  # where it came from, for people: "azureml:name:1", "conda.yml", "azureml://registries/..."


class InputSpec(Struct, frozen=True, omit_defaults=True):
    """One input: a literal ``value``, or data at ``path`` (as the user wrote it) whose content is ``digest``."""

    type: LiteralType | DataType
    value: Scalar | None = None
    path: str = ""
    digest: str = ""  # of a blob (uri_file) or of a tree manifest (everything else) in the blob store
    mode: InputMode = "ro_mount"


class OutputSpec(Struct, frozen=True, omit_defaults=True):
    """``name``: it is registered under it when the job has completed; without a ``version``, as the next one."""

    type: DataType = "uri_folder"
    path: str = ""
    mode: OutputMode = "rw_mount"
    name: str = ""
    version: str = ""


def is_model_output(output: OutputSpec) -> bool:
    """Whether it becomes a version of a model when its job has completed."""
    return bool(output.name) and output.type in MODEL_TYPES


class JobSpec(Struct, frozen=True, omit_defaults=True):
    """A command job. ``code`` is the digest of the tree of its source folder ("" for none)."""

    command: str
    environment: EnvironmentSpec
    code: str = ""
    code_path: str = ""
    compute: str = "local"
    experiment: str = "Default"
    display_name: str = ""
    description: str = ""
    tags: dict[str, str] = {}
    inputs: dict[str, InputSpec] = {}
    outputs: dict[str, OutputSpec] = {}
    environment_variables: dict[str, str] = {}
    timeout_seconds: float | None = None
    instance_count: int = 1
    git: dict[str, str] = {}  # of the source folder: repository, branch, commit, dirty
