"""Reads a command job that is to be submitted: what was written, checked, with the local paths it names.

A draft becomes a ``JobSpec`` when its references are resolved and its code and local inputs are in the blob
store. That is the client's work; nothing here asks a server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from treering.domain.job_spec import InputSpec, Network, OutputSpec, Scalar
from treering.kernel.refusal import Refused
from treering.kernel.subjects import checked_name
from treering.specs import nodes
from treering.specs.checks import folded
from treering.specs.data_draft import read_inputs, read_outputs
from treering.specs.environment_draft import EnvironmentDraft, read_environment, texts
from treering.specs.kinds.files import resolved
from treering.specs.nodes import MapNode, Place, Report, variables, words
from treering.specs.on_disk import misplaced
from treering.specs.references import parse_reference

RUNNABLE = "job/command"


@dataclass(frozen=True)
class JobDraft:
    """A command job as written. In ``inputs``, ``path`` is what the user wrote; of inputs on this machine
    ``local_inputs`` has the file or folder. ``code`` is a local folder or file; code that lies elsewhere
    (``git+...``) is in ``code_reference``. An absent ``timeout_seconds`` means no limit, an absent ``experiment`` ("")
    that of the folder it is submitted from.
    """

    file: Path
    command: str
    environment: EnvironmentDraft
    code: Path | None
    code_reference: str
    inputs: dict[str, InputSpec]
    local_inputs: dict[str, Path]
    outputs: dict[str, OutputSpec]
    environment_variables: dict[str, str]
    secret_variables: tuple[str, ...]
    public_variables: tuple[str, ...]
    compute: str
    experiment: str
    name: str
    display_name: str
    description: str
    tags: dict[str, str]
    timeout_seconds: float | None
    instance_count: int
    distribution: dict[str, Scalar]
    identity: str
    network: Network = "full"
    compute_reference: str = ""  # an ARM id, as written: its workspace may be another one
    notes: tuple[str, ...] = ()  # what is not carried out, or is carried out otherwise


def with_secrets(draft: JobDraft, options: Sequence[str], environment: Mapping[str, str]) -> JobDraft:
    """The draft with the variables that ``--secret`` gives, each NAME=VALUE or a NAME whose value ``environment`` has;
    ``Refused("secret.invalid")``."""
    given = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not name or (not equals and name not in environment):
            why = f"--secret {name[:60]!r}: there is no variable of this name in the environment of this command"
            raise Refused("secret.invalid", f"{why}; export it first, or write --secret NAME=VALUE")
        given[name] = value if equals else environment[name]
    secret = tuple(dict.fromkeys([*draft.secret_variables, *given]))
    return replace(draft, environment_variables={**draft.environment_variables, **given}, secret_variables=secret)


def read_job(root: MapNode, path: Path, report: Report) -> JobDraft:
    """The draft of a job without problems; adds those of files and names that are not there."""
    code, code_reference = read_code(root, report)
    inputs, local_inputs = read_inputs(root.map("inputs"), report)
    timeout = whole(root.map("limits"), "timeout")
    return JobDraft(
        file=path,
        command=root.text("command"),
        environment=read_environment(root.entries["environment"], report),
        code=code,
        code_reference=code_reference,
        inputs=inputs,
        local_inputs=local_inputs,
        outputs=read_outputs(root.map("outputs")),
        environment_variables=variables(root.map("environment_variables")),
        secret_variables=texts(root.entries.get("secret_variables")),
        public_variables=texts(root.entries.get("public_variables")),
        compute=read_compute(root, report),
        experiment=root.text("experiment_name"),
        name=read_name(root, report),
        display_name=root.text("display_name"),
        description=root.text("description"),
        tags=words(root.map("tags")),
        timeout_seconds=None if timeout is None else float(timeout),
        instance_count=whole(root.map("resources"), "instance_count") or 1,
        distribution=values(root.map("distribution")),
        identity=folded(root.map("identity").text("type")),
        compute_reference=long_form(root.text("compute")),
        network="none" if root.text("network") == "none" else "full",
    )


def read_code(root: MapNode, report: Report) -> tuple[Path | None, str]:
    written = root.text("code")
    if not written:
        return None, ""
    if parse_reference(written).form != "local":
        return None, written
    path = resolved(written, report)
    if why := misplaced(path, written, report.folder):
        report.add(root.entries["code"].at, "code", why.replace("there is no", "there is no folder"))
    return path, ""


def read_compute(root: MapNode, report: Report) -> str:
    """The name of the compute: of ``azureml:NAME``, ``NAME`` or an ARM id; ``local`` when none is said."""
    written = root.text("compute")
    if not written:
        return "local"
    name = written.removeprefix("azureml:").rstrip("/").rsplit("/", 1)[-1]
    return named(name, root.entries["compute"].at, "compute", report)


def long_form(written: str) -> str:
    """An ARM id of a compute; "" for what names no workspace."""
    if "/workspaces/" not in written:
        return ""
    try:
        return written if parse_reference(written.rstrip("/")).workspace else ""
    except Refused:
        return ""  # only the name at its end is meant


def read_name(root: MapNode, report: Report) -> str:
    written = root.text("name")
    return named(written, root.entries["name"].at, "name", report) if written else ""


def named(name: str, at: Place, key: str, report: Report) -> str:
    try:
        return checked_name(name, key)
    except Refused as refused:
        report.add(at, key, refused.detail)
        return name


def whole(node: MapNode, key: str) -> int | None:
    found = node.entries.get(key)
    return found.value if isinstance(found, nodes.Scalar) and isinstance(found.value, int) else None


def values(node: MapNode) -> dict[str, Scalar]:
    found = {key: one.value for key, one in node.entries.items() if isinstance(one, nodes.Scalar)}
    return {key: value for key, value in found.items() if value is not None}
