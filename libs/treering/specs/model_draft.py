"""Reads a model YAML: what it says, checked, with the local files it names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from treering.kernel.refusal import Refused
from treering.kernel.subjects import checked_name
from treering.specs.blame import place_in
from treering.specs.given_file import folder_of, read_given
from treering.specs.honoured import note_keys
from treering.specs.kind_of import kind_of
from treering.specs.kinds import KINDS
from treering.specs.kinds.files import resolved
from treering.specs.mlmodel import MLMODEL
from treering.specs.model_versions import written_version
from treering.specs.nodes import MapNode, Place, Plain, Report, Scalar, plain, words
from treering.specs.on_disk import misplaced
from treering.specs.overrides import apply, given
from treering.specs.readable import why_unreadable
from treering.specs.references import parse_reference
from treering.specs.secret_texts import check_tree
from treering.specs.sound import sound_part
from treering.specs.submitted import faults

DEFAULT_TYPE = "custom_model"


@dataclass(frozen=True)
class ModelDraft:
    """A model as written. Of one on this machine ``local`` is the file or folder, else ``path`` says where it is.
    An absent ``version`` ("") is the next number."""

    name: str
    path: str
    version: str = ""
    type: str = DEFAULT_TYPE
    local: Path | None = None
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    flavors: dict[str, Plain] = field(default_factory=dict)
    notes: tuple[str, ...] = ()  # what is not carried out


def load_model(
    file: Path | None, overrides: Sequence[str], options: Mapping[str, str] = {}, tags: Mapping[str, str] = {}
) -> ModelDraft:
    """Read a model YAML, or what options say without one; ``options`` and ``tags`` stand before what the file says.

    Raises ``Refused``: ``yaml.*``, ``set.invalid``, ``model.invalid``, ``path.*``.
    """
    root = apply(read_given(file) if file else MapNode({}, {}, Place("")), overrides)
    kind = kind_of(root) if file else ""
    if kind and not kind.startswith("model"):
        raise Refused("model.invalid", f"{file} is a {kind}, not a model")
    root = given(root, options, tags)
    report = Report(folder_of(file) if file else Path())
    draft = prepared_model(root, report)
    report.refuse("model.invalid")
    assert draft is not None  # nothing is wrong with it
    return draft


def prepared_model(root: MapNode, report: Report) -> ModelDraft | None:
    """The draft of a model that can be registered, else None, and the report says why.

    The one verdict of ``validate`` and ``model create`` on what needs no server.
    """
    kind = f"model/{DEFAULT_TYPE}"
    KINDS[kind](root, "", report)
    sound = sound_part(root, kind, report)
    check_tree(root, report)
    if sound is None:
        return None
    note_keys(sound, kind, report)
    draft = read_model(sound, report)
    for refused in faults(checks(draft)):
        about = sound.entries.get("path") if refused.code == "model.path" else None
        report.refused(about.at if about else place_in(sound, refused.detail), "path" if about else "", refused)
    return replace(draft, notes=tuple(one.sentence for one in report.notes))


def read_model(root: MapNode, report: Report) -> ModelDraft:
    written, version = root.text("path"), root.entries.get("version")
    flavors = plain(root.map("flavors"))
    return ModelDraft(
        root.text("name"),
        written,
        version.written if isinstance(version, Scalar) else "",
        root.text("type") or DEFAULT_TYPE,
        resolved(written, report) if is_local(written) else None,
        root.text("description"),
        words(root.map("tags")),
        words(root.map("properties")),
        flavors if isinstance(flavors, dict) else {},
    )


def checks(draft: ModelDraft) -> Iterator[Callable[[], object]]:
    """What else is asked of a draft: its name, its version and its files."""
    yield lambda: checked_name(draft.name)
    yield lambda: written_version(draft.version)
    yield lambda: check_files(draft, draft.local) if draft.local else check_reference(draft.path)


def is_local(written: str) -> bool:
    try:
        return bool(written) and parse_reference(written).form == "local"
    except Refused:  # which is told when it is checked
        return False


def check_reference(written: str) -> None:
    if not written:
        raise Refused("model.invalid", "path is missing: a model is made of files that are somewhere")
    if why := why_unreadable(parse_reference(written), "models", for_input=False):
        raise Refused("model.path", why)


def check_files(draft: ModelDraft, local: Path) -> None:
    if why := misplaced(local, draft.path, local.parent):
        raise Refused("model.path", why)
    if draft.type == "mlflow_model" and not (local / MLMODEL).is_file():
        detail = f"{str(local)!r} has no file {MLMODEL}: an mlflow_model is the folder that MLflow saved"
        raise Refused("model.path", detail)
