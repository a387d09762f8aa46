"""From an environment as it was written to what is to be installed, or to a reference the server resolves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from treering.domain.job_spec import EnvironmentSpec
from treering.kernel.refusal import Refused
from treering.kernel.subjects import checked_name
from treering.specs.blame import place_in
from treering.specs.conda import conda_spec, mapping, passed_over, read_conda
from treering.specs.dockerfile import accepted, read_dockerfile
from treering.specs.environment_draft import EnvironmentDraft, from_map
from treering.specs.honoured import note_keys
from treering.specs.images import curated, known
from treering.specs.kinds import KINDS
from treering.specs.nodes import MapNode, Place, Report
from treering.specs.package_index import index_urls
from treering.specs.references import parse_reference
from treering.specs.requirement_lines import joined, line, read_requirements
from treering.specs.requirements import python_versions, requirements
from treering.specs.secret_texts import check_tree
from treering.specs.sound import sound_part
from treering.specs.submitted import environment_faults, faults
from treering.specs.yaml_text import read_yaml

__all__ = ["curated", "prepared_environment", "resolve_environment"]
KIND = "environment"


def prepared_environment(root: MapNode, report: Report) -> EnvironmentSpec | None:
    """What an environment YAML says is to be installed, or None when it cannot be created, and the report says why.

    The one verdict of ``validate`` and ``environment create`` on what needs no server.
    """
    KINDS[KIND](root, "", report)
    sound = sound_part(root, KIND, report)
    check_tree(root, report)
    if sound is None:
        return None
    draft = from_map(sound, report)
    note_keys(sound, KIND, report)
    for refused in environment_faults_of(draft):
        if not any(refused.detail.endswith(problem.message) for problem in report.problems):
            report.refused(place_in(root, refused.detail), "", refused)
    if report.problems:
        return None
    found = resolve_environment(draft)
    if isinstance(found, EnvironmentSpec):
        note_indexes(found, root.at, "", report)
        note_passed_over(draft, "", report)
    if isinstance(found, str):
        report.add(root.at, "", f"only refers to {found!r}; it must say what to install", "environment.invalid")
    return found if isinstance(found, EnvironmentSpec) else None


def note_indexes(spec: EnvironmentSpec, at: Place, key: str, report: Report) -> None:
    """Note the package indexes that are named: only a server knows whether its operator lists them."""
    for url in spec.indexes:
        report.note(at, key, f"names the package index {url}, which the operator must have listed in TREERING_INDEXES")


def environment_faults_of(draft: EnvironmentDraft) -> Iterator[Refused]:
    """What a server would refuse of an environment that is to be registered."""
    yield from faults([lambda: checked_name(draft.name)])
    try:
        found = resolve_environment(draft)
    except Refused as refused:
        yield refused
        return
    if isinstance(found, EnvironmentSpec):
        yield from environment_faults(found)


def note_passed_over(draft: EnvironmentDraft, key: str, report: Report) -> None:
    """Note what is not carried out of a Dockerfile or conda file that is accepted."""
    if draft.build is not None:
        for number, said in accepted(draft.build, draft.dockerfile)[1]:
            report.note(Place(str(draft.build / draft.dockerfile), number), key, f"{draft.dockerfile}:{number}: {said}")
        return
    root = read_yaml(draft.conda_file) if draft.conda_file else mapping(draft.conda or {}, draft.at)
    for at, said in passed_over(root):
        report.note(at, key, said)


def resolve_environment(draft: EnvironmentDraft, code: Path | None = None) -> EnvironmentSpec | str:
    """What to install; of ``azureml:NAME...`` the reference itself, which only the server can resolve.

    Conda wins over the image it is put on. ``code`` is the folder of the job's code, if it has one. Raises ``Refused``:
    ``environment.`` ``image_unknown``, ``dockerfile``, ``build``, ``local_package``, and what the readers of conda and
    requirements raise.
    """
    if draft.reference:
        return referred(draft)
    return within_code(read(draft), code)


def within_code(spec: EnvironmentSpec, code: Path | None) -> EnvironmentSpec:
    """The folders that packages of the user's own are imported from, relative to the code: they go with it to the job.

    Raises ``Refused("environment.local_package")`` where one lies elsewhere.
    """
    found = []
    for folder in map(Path, spec.modules):
        if code is None or not folder.is_relative_to(code.resolve()):
            where = f"{spec.source}: the package in {str(folder)!r} is not part of the job's code"
            advice = "name a folder that holds it as code of the job, or write its requirements out"
            raise Refused("environment.local_package", f"{where}; {advice}")
        found.append(folder.relative_to(code.resolve()).as_posix())
    return replace(spec, modules=tuple(found))


def read(draft: EnvironmentDraft) -> EnvironmentSpec:
    if draft.build is not None:
        return read_dockerfile(draft.build, draft.dockerfile)
    if draft.build_reference:
        message = f"{draft.at}: build.path: {draft.build_reference!r} lies elsewhere; give a folder of this machine"
        raise Refused("environment.build", message)
    if draft.conda_file is not None:
        return replace(read_conda(draft.conda_file), image=draft.image)
    if draft.conda is not None:
        found = conda_spec(draft.conda, f"{draft.at}: conda_file", Path(draft.at.file).parent)
        return replace(found, image=draft.image)
    return installed(draft)


def referred(draft: EnvironmentDraft) -> EnvironmentSpec | str:
    if parse_reference(draft.reference).form not in ("registry", "local"):
        return draft.reference
    return known(draft.reference, str(draft.at))


def installed(draft: EnvironmentDraft) -> EnvironmentSpec:
    """treering's own keys ``python`` and ``requirements``, on top of the image when one is named."""
    base = known(draft.image, str(draft.at)) if draft.image else EnvironmentSpec(source=str(draft.at))
    python_versions(draft.python)
    where = f"{draft.at}: requirements"
    if draft.requirements_file is not None:
        wanted = read_requirements(draft.requirements_file)
    else:
        wanted = joined(line(text, where, Path(draft.at.file).parent) for text in draft.requirements)
    return replace(
        base,
        python=draft.python or base.python,
        requirements=requirements([*base.requirements, *wanted.requirements], where),
        indexes=index_urls(wanted.indexes, where),
        modules=tuple(map(str, wanted.modules)),
        constraints=requirements(wanted.constraints, where),
    )
