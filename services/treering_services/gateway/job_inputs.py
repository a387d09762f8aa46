"""The inputs of a job with every reference resolved: a job keeps the digest of what it was given."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import NamedTuple

from msgspec.structs import replace

from treering.domain.job_spec import MODEL_TYPES, InputSpec
from treering.kernel.refusal import Refused
from treering.specs.readable import OURS, is_handed_on
from treering.specs.references import parse_reference
from treering_services.gateway.core import Gateway
from treering_services.gateway.model_origins import Origin, Wanted, digest_of_files
from treering_services.gateway.references import resolve

FETCHED = ("http", "local")  # by the node, or uploaded by the client before
NAMES_SHOWN_MAX = 3
BOOLEANS = {"true": True, "false": False}


class Inputs(NamedTuple):
    """``notes`` are what the job is to be told."""

    inputs: dict[str, InputSpec]
    notes: tuple[str, ...]


async def with_files(gateway: Gateway, workspace: str, inputs: Mapping[str, InputSpec]) -> Inputs:
    """The inputs with the digests of the files that their references mean now, and labels as versions.

    Raises ``Refused`` as ``resolve`` does, with the name of the input; ``input.not_a_file``.
    """
    found, notes = dict[str, InputSpec](), list[str]()
    for name, given in inputs.items():
        try:
            found[name], said = await with_file(gateway, workspace, given)
        except Refused as refused:
            raise Refused(refused.code, f"inputs.{name}: {refused.detail}") from refused
        notes += [f"inputs.{name}: {note}" for note in said]
    return Inputs(found, tuple(notes))


async def with_file(gateway: Gateway, workspace: str, given: InputSpec) -> tuple[InputSpec, tuple[str, ...]]:
    if given.value is not None:
        return with_text(given), ()
    if given.digest or not given.path or is_left(given):
        return given, ()
    wanted = Wanted("input", "models" if given.type in MODEL_TYPES else "data")
    origin = await resolve(gateway, workspace, given.path, wanted)
    notes = origin.notes
    if given.mode == "direct":
        notes = (*notes, "mode direct: nothing here opens azureml: addresses, so the command is given a local path")
    if given.type == "uri_file":
        return the_file(given, origin), notes
    return replace(given, path=origin.path, digest=await digest_of_files(gateway, origin)), notes


def with_text(given: InputSpec) -> InputSpec:
    """A value with the text that its command gets: of a boolean ``True`` or ``False``, as Azure's clients send it."""
    value = BOOLEANS.get(given.value.lower()) if isinstance(given.value, str) else given.value
    if given.type != "boolean" or given.written or not isinstance(value, bool):
        return given
    return replace(given, value=value, written=str(value))


def is_left(given: InputSpec) -> bool:
    """Whether the path is for others: a node or a client fetches it, the command opens it, or ``check_job`` refuses
    it."""
    try:
        reference = parse_reference(given.path)
    except Refused:
        if OURS.match(given.path):
            raise
        return True
    return reference.form in FETCHED or (given.mode == "direct" and is_handed_on(reference))


def the_file(given: InputSpec, origin: Origin) -> InputSpec:
    """An input that is one file; ``Refused("input.not_a_file")`` when there are more."""
    if len(origin.files) != 1:
        names = ", ".join(repr(file.path) for file in origin.files[:NAMES_SHOWN_MAX])
        why = f"{given.path[:200]!r} is a folder with {len(origin.files)} files ({names}...)"
        raise Refused("input.not_a_file", f"{why}; say type uri_folder, or name the one file")
    file = origin.files[0]
    path = origin.path
    if PurePosixPath(path).name != file.path:  # the node calls the file what the path ends with
        between = "/" if "/paths/" in path or not path.startswith("azureml:") else "/paths/"
        path = f"{path}{between}{file.path}"
    return replace(given, path=path, digest=file.digest)
