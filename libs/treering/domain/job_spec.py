"""What a job is to run, with every reference resolved: the part of a job that never changes.

It is written once, into ``job.submitted``, so that nobody who carries the job out has to ask back.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from treering.domain.sealed import Sealed, same_values
from treering.kernel.bounds import ITEMS_MAX, AnySeconds, Float64, Int64, Line, Name, Small, Tags, Text, Title

LiteralType = Literal["string", "number", "integer", "boolean"]
DataType = Literal["uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model"]
InputMode = Literal["ro_mount", "download", "direct", "eval_mount", "eval_download"]
OutputMode = Literal["rw_mount", "upload", "direct"]
Network = Literal["full", "none"]  # "none": only the gateway can be reached
Scalar = Text | Int64 | Float64 | bool
NOTES_MAX = 200
INDEXES_MAX = 20
MODULES_MAX = 20
MODEL_TYPES = ("mlflow_model", "custom_model", "triton_model")


class EnvironmentSpec(Struct, frozen=True, omit_defaults=True):
    """A Python and what is installed in it; ``image`` is the container image the user named, if any.

    ``indexes`` are addresses of package indexes beside the installation's own. ``constraints`` say which versions will
    do of packages that something else requires. ``modules`` are folders of the job's
    code that packages are imported from, relative to it. ``sealed`` are those of its variables that are secret; in the
    spec of a job they are among the job's own.
    """

    python: Line = ""
    requirements: Annotated[tuple[Text, ...], Meta(max_length=ITEMS_MAX)] = ()
    image: Line = ""
    variables: Tags = {}
    indexes: Annotated[tuple[Text, ...], Meta(max_length=INDEXES_MAX)] = ()
    modules: Annotated[tuple[Text, ...], Meta(max_length=MODULES_MAX)] = ()
    source: Text = ""  # where it came from, for people: "azureml:name:1", "conda.yml", "azureml://registries/..."
    sealed: Sealed | None = None
    constraints: Annotated[tuple[Text, ...], Meta(max_length=ITEMS_MAX)] = ()


class InputSpec(Struct, frozen=True, omit_defaults=True):
    """One input: a literal ``value``, or data at ``path`` (as the user wrote it) whose content is ``digest``.

    ``written`` is the literal as the user wrote it, where the text of ``value`` is another (``1.10``, ``1e-4``), and
    of a boolean ``True`` or ``False``: it is what the command line gets. Older jobs had ``true`` without it.
    """

    type: LiteralType | DataType
    value: Scalar | None = None
    path: Text = ""
    digest: Name = ""  # of a blob (uri_file) or of a tree manifest (everything else) in the blob store
    mode: InputMode = "ro_mount"
    written: Text = ""

    @property
    def literal(self) -> str:
        """What ``${{inputs.NAME}}`` becomes when the input is a value."""
        return self.written or (str(self.value).lower() if isinstance(self.value, bool) else str(self.value))


class OutputSpec(Struct, frozen=True, omit_defaults=True):
    """``name``: it is registered under it when the job has completed; without a ``version``, as the next one."""

    type: DataType = "uri_folder"
    path: Text = ""
    mode: OutputMode = "rw_mount"
    name: Name = ""
    version: Name = ""


def is_model_output(output: OutputSpec) -> bool:
    """Whether it becomes a version of a model when its job has completed."""
    return bool(output.name) and output.type in MODEL_TYPES


Identity = Literal["", "aml_token", "user_identity"]


class JobSpec(Struct, frozen=True, omit_defaults=True):
    """A command job. ``code`` is the digest of the tree of its source folder ("" for none). ``identity`` says with
    whose rights its script uses the platform: its own ("" or Azure's word for it, aml_token), or its submitter's.
    ``public_variables`` are variables that are no secrets, whatever their names are. ``notes`` say what was asked for
    and is not carried out, or is carried out otherwise: sentences for people."""

    command: Text
    environment: EnvironmentSpec
    code: Name = ""
    code_path: Text = ""
    compute: Name = "local"
    experiment: Name = "Default"
    display_name: Title = ""
    description: Text = ""
    tags: Tags = {}
    inputs: Annotated[dict[Name, InputSpec], Meta(max_length=ITEMS_MAX)] = {}
    outputs: Annotated[dict[Name, OutputSpec], Meta(max_length=ITEMS_MAX)] = {}
    environment_variables: Tags = {}
    timeout_seconds: AnySeconds | None = None
    instance_count: Small = 1
    identity: Identity = ""
    network: Network = "full"
    git: Tags = {}  # of the source folder: repository, branch, commit, dirty
    notes: Annotated[tuple[Text, ...], Meta(max_length=NOTES_MAX)] = ()
    sealed: Sealed | None = None
    public_variables: Annotated[tuple[Name, ...], Meta(max_length=ITEMS_MAX)] = ()


IN_YAML = {
    "code_path": "code",
    "experiment": "experiment_name",
    "timeout_seconds": "limits.timeout",
    "instance_count": "resources.instance_count",
    "sealed": "the values of secret variables",
    "git": "the commit of the code",
}


def differences(one: JobSpec, other: JobSpec) -> list[str]:
    """What two specs ask for differently, each as a YAML has it; sealed values are the same when they are equal."""
    found = [key for key in JobSpec.__struct_fields__ if key != "sealed" and getattr(one, key) != getattr(other, key)]
    found += [] if same_values(one.sealed, other.sealed) else ["sealed"]
    return list(dict.fromkeys(IN_YAML.get(key, key) for key in found))


def same_environment(one: EnvironmentSpec, other: EnvironmentSpec) -> bool:
    return same_values(one.sealed, other.sealed) and one == replace(other, sealed=one.sealed)
