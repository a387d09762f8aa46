"""Prepares a command job for submission: the one verdict of ``validate`` and ``job create`` on what needs no server.

What can be known here is decided here: the schema, the files that are named, the environment, the keys that are not
carried out, and the rules that the server has for every job (``submitted``), on stand-ins for what is uploaded.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import msgspec
from msgspec.structs import replace

from treering.domain.job_spec import MODEL_TYPES, NOTES_MAX, EnvironmentSpec, InputSpec, JobSpec, is_model_output
from treering.kernel.blobs import PREFIX
from treering.kernel.decoding import decode
from treering.kernel.refusal import Refused
from treering.specs.azure_code import note_azure_code
from treering.specs.blame import place_in
from treering.specs.curated import note_indexes, note_passed_over, resolve_environment
from treering.specs.given_file import folder_of, read_given
from treering.specs.honoured import note_keys
from treering.specs.job_draft import RUNNABLE, JobDraft, read_job
from treering.specs.kind_of import kind_of
from treering.specs.kinds import KINDS
from treering.specs.kinds.files import resolved
from treering.specs.nodes import MapNode, Node, Place, Report, Scalar
from treering.specs.on_disk import real
from treering.specs.overrides import apply
from treering.specs.placeholders import report_placeholders
from treering.specs.readable import Assets, is_handed_on, why_unreadable
from treering.specs.references import parse_reference
from treering.specs.secret_texts import check_tree
from treering.specs.secret_variables import split_job
from treering.specs.sound import sound_part
from treering.specs.submitted import faults, job_faults

CREATED = ("environment", "model", "compute", "workspace")  # by commands of these names
BUILD = "environment.build.path"
STAND_IN = PREFIX + "0" * 64  # for the digest of what is uploaded, or found by the server
IN_YAML = {"timeout_seconds": "limits.timeout", "experiment": "experiment_name"}  # where a job has another key
FIELD = re.compile(r" - at `(?:key` in `)?\$\.(?P<key>\w+)[^`]*`")
NO_DATA = "is not carried out: only models are registered so far, no data assets"


def load_job(path: Path, overrides: Sequence[str] = (), given: Sequence[str] = ()) -> JobDraft:
    """Read a command job. Everything wrong with it is told at once, a line each. ``given`` are the variables that it
    need not set, because ``--secret`` does.

    Raises ``Refused``: ``yaml.*`` (not YAML), ``set.invalid``, ``job.type_unsupported`` for a job or resource of
    another kind, ``job.invalid``, or the code of the one thing that is wrong (``environment.*``, ``job.*``, ...).
    """
    root = apply(read_given(path), overrides)
    kind = kind_of(root) or RUNNABLE
    if kind != RUNNABLE:
        raise Refused("job.type_unsupported", f"{path} is {why_no_job(kind, path)}")
    report = Report(folder_of(path), given=frozenset(given))
    draft = prepared_job(root, path, report)
    report.refuse("job.invalid")
    assert draft is not None  # nothing is wrong with it
    return draft


def why_no_job(kind: str, path: Path) -> str:
    """What a file of another kind is, and which command takes it."""
    resource = kind.partition("/")[0]
    if resource in CREATED and kind in KINDS:
        article = "an" if resource[0] in "aeiou" else "a"
        return f"{article} {resource}, not a job: `treering {resource} create -f {path}` creates it"
    so_far = "it can be validated, but" if kind in KINDS else "treering does not know this kind:"
    return f"a {kind}; {so_far} only command jobs can be submitted so far"


def prepared_job(root: MapNode, path: Path, report: Report) -> JobDraft | None:
    """The draft of a job that a server can be asked to run; else the report says why not."""
    KINDS[RUNNABLE](root, "", report)
    sound = sound_part(root, RUNNABLE, report)
    if sound is not None:
        known = len(report.problems)
        report_placeholders(sound, report)
        sound = sound_part(sound, RUNNABLE, report, known)
    check_tree(root, report)
    if sound is None:
        return None
    draft = read_job(sound, path, report)
    environment = environment_of(draft, sound, report)
    check_code(draft, sound, report)
    check_processes(sound, report)
    check_spec(draft, environment, sound, report)
    return noted(draft, sound, report)


def noted(draft: JobDraft, root: MapNode, report: Report) -> JobDraft:
    """The draft with the notes that are kept with the job."""
    notes = Report(report.folder)
    note_keys(with_environment(root, report), RUNNABLE, notes)
    for name, output in draft.outputs.items():
        if output.name and not is_model_output(output):
            at = root.map("outputs").entries[name].at
            notes.note(at, f"outputs.{name}.name", NO_DATA)
    if not report.problems:
        note_passed_over(draft.environment, "environment", notes)
        note_azure_code(draft.code, draft.command, root.at, notes)
    report.notes.extend(notes.notes)
    return dataclasses.replace(draft, notes=tuple(one.sentence for one in notes.notes[:NOTES_MAX]))


def with_environment(root: MapNode, report: Report) -> MapNode:
    """The job with the environment of a file of its own in its place."""
    said = root.text("environment")
    found = report.opened.get(real(resolved(said, report))) if said.startswith("file:") else None
    return MapNode({**root.entries, "environment": found}, root.places, root.at) if found else root


def environment_of(draft: JobDraft, root: MapNode, report: Report) -> EnvironmentSpec:
    """What is to be installed; nothing for what only the server can look up, or cannot be made."""
    if any(one.key == BUILD for one in report.problems):
        return EnvironmentSpec()  # where there is no folder, there is no Dockerfile to speak of
    try:
        found = resolve_environment(draft.environment, draft.code)
    except Refused as refused:
        said = Refused(refused.code, refused.detail.removeprefix(f"{draft.environment.at}: "))
        report.refused(part_at(draft.environment.at, root.entries["environment"], said), "environment", said)
        return EnvironmentSpec()
    if not isinstance(found, EnvironmentSpec):
        return EnvironmentSpec()
    note_indexes(found, draft.environment.at, "environment", report)
    return found


def part_at(at: Place, node: Node, refused: Refused) -> Place:
    """Where the part of an environment is that a refusal is about, if ``--set`` gave it: it is in no line of a file."""
    if not isinstance(node, MapNode) or node.at != at:
        return at  # a file of its own
    key = "image" if refused.code == "environment.image_unknown" else refused.detail.partition(":")[0].split(".")[0]
    found = node.entries.get(key)
    return found.at if found is not None and not found.at.line else at


def check_code(draft: JobDraft, root: MapNode, report: Report) -> None:
    if draft.code_reference:
        message = f"{draft.code_reference[:200]!r} lies elsewhere: fetch it first and name the folder"
        report.add(root.entries["code"].at, "code", message, "job.code_unsupported")


def check_processes(root: MapNode, report: Report) -> None:
    """A command runs as one process: a distribution over several is refused until it is carried out."""
    node = root.map("distribution")
    for key in ("process_count_per_instance", "worker_count", "parameter_server_count"):
        count, most = node.entries.get(key), 0 if key == "parameter_server_count" else 1
        if isinstance(count, Scalar) and isinstance(count.value, int) and count.value > most:
            message = f"{count.value} is too many: a command runs as one process here; leave distribution out"
            report.add(count.at, f"distribution.{key}", message, "job.distribution")


def check_spec(draft: JobDraft, environment: EnvironmentSpec, root: MapNode, report: Report) -> None:
    """The rules of the server, on the job it will be sent; what the YAML said already is not said again."""
    known = {problem.message for problem in report.problems}
    for refused in spec_faults(draft, environment):
        if not any(refused.detail.endswith(said) for said in known):
            found = with_key(refused)
            report.refused(place_in(root, found.detail, IN_YAML), "", found)


def with_key(refused: Refused) -> Refused:
    """What a decoder says of a field, with the key of the field in front, as all else is said."""
    match = FIELD.search(refused.detail)
    if match is None:
        return refused
    said = (refused.detail[: match.start()] + refused.detail[match.end() :]).replace("`str`", "text")
    return Refused(refused.code, f"{match['key']}: {said}", refused.more)


def spec_faults(draft: JobDraft, environment: EnvironmentSpec) -> Iterator[Refused]:
    yield from faults(partial(check_reference, name, given) for name, given in draft.inputs.items())
    inputs = {
        name: given if is_for_others(given) else replace(given, digest=STAND_IN) for name, given in draft.inputs.items()
    }
    spec = spec_of(draft, environment, "", inputs, {})
    found = [*job_faults(spec), *faults([lambda: split_job(spec, draft.secret_variables)])]
    yield from found or faults([lambda: decode(msgspec.json.encode(spec), JobSpec)])


def check_reference(name: str, given: InputSpec) -> None:
    """``Refused("input.unsupported")`` when no server can find the files of an input; paths of this machine were looked
    at before."""
    reference = parse_reference(given.path) if given.path else None
    if reference is None or reference.form == "local" or is_for_others(given):
        return
    assets: Assets = "models" if given.type in MODEL_TYPES else "data"
    if why := why_unreadable(reference, assets, for_input=True):
        raise Refused("input.unsupported", f"inputs.{name}: {why}")


def is_for_others(given: InputSpec) -> bool:
    """Whether an input is a value, or an address that the node or the command opens."""
    if not given.path:
        return True
    reference = parse_reference(given.path)
    return (given.mode == "direct" and is_handed_on(reference)) or (
        reference.form == "http" and given.type == "uri_file"
    )


def spec_of(
    draft: JobDraft, environment: EnvironmentSpec, code: str, inputs: dict[str, InputSpec], git: dict[str, str]
) -> JobSpec:
    """The spec of a draft, with what was uploaded for it."""
    return JobSpec(
        command=draft.command,
        environment=environment,
        code=code,
        code_path=draft.code.name if draft.code else "",
        compute=draft.compute,
        experiment=draft.experiment,
        display_name=draft.display_name,
        description=draft.description,
        tags=draft.tags,
        inputs=inputs,
        outputs=draft.outputs,
        environment_variables=draft.environment_variables,
        public_variables=draft.public_variables,
        timeout_seconds=draft.timeout_seconds,
        network=draft.network,
        instance_count=draft.instance_count,
        identity="user_identity" if draft.identity == "user_identity" else "",
        git=git,
        notes=draft.notes,
    )
