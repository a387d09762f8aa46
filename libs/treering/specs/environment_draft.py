"""The environment of a job as it was written: a reference, or what to make one from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from treering.specs.checks import join
from treering.specs.kinds.files import resolved
from treering.specs.nodes import ListNode, MapNode, Node, Place, Plain, Report, Scalar, plain, text_of
from treering.specs.on_disk import FOLDER, misplaced, real
from treering.specs.references import parse_reference


@dataclass(frozen=True)
class EnvironmentDraft:
    """Either ``reference`` is set, or some of the others; ``at`` is where, for later messages."""

    at: Place
    reference: str = ""
    image: str = ""
    conda: dict[str, Plain] | None = None  # a conda environment written inline
    conda_file: Path | None = None
    build: Path | None = None  # the folder an image is to be built from
    build_reference: str = ""  # the same, when it lies elsewhere: http(s) or git+
    dockerfile: str = "Dockerfile"
    python: str = ""
    requirements: tuple[str, ...] = ()
    requirements_file: Path | None = None
    name: str = ""


def read_environment(node: Node, report: Report) -> EnvironmentDraft:
    """The environment of a job that was judged already; a file of its own is followed."""
    if isinstance(node, Scalar):
        text = text_of(node) or ""
        if not text.startswith("file:"):
            return EnvironmentDraft(node.at, reference=text)
        path = resolved(text, report)
        followed = report.opened[real(path)]
        assert followed is not None  # else the judgement would have had a problem
        return from_map(followed, report.in_folder(path.parent))
    assert isinstance(node, MapNode)
    return from_map(node, report)


def from_map(node: MapNode, report: Report) -> EnvironmentDraft:
    conda, requirements = node.entries.get("conda_file"), node.entries.get("requirements")
    inline = plain(conda) if isinstance(conda, MapNode) else None
    build, build_reference = build_context(node.map("build"), report)
    return EnvironmentDraft(
        node.at,
        image=node.text("image"),
        conda=inline if isinstance(inline, dict) else None,
        conda_file=resolved(node.text("conda_file"), report) if isinstance(conda, Scalar) else None,
        build=build,
        build_reference=build_reference,
        dockerfile=node.map("build").text("dockerfile_path") or "Dockerfile",
        python=node.text("python"),
        requirements=texts(requirements),
        requirements_file=resolved(node.text("requirements"), report) if isinstance(requirements, Scalar) else None,
        name=node.text("name"),
    )


def texts(node: Node | None) -> tuple[str, ...]:
    items = node.items if isinstance(node, ListNode) else ()
    return tuple(text_of(one) or "" for one in items)


def build_context(build: MapNode, report: Report) -> tuple[Path | None, str]:
    """The local folder of a build, which must be there, or where else it lies."""
    written = build.text("path")
    if not written:
        return None, ""
    if parse_reference(written).form != "local":
        return None, written
    folder = resolved(written, report)
    if why := misplaced(folder, written, report.folder, FOLDER):
        report.add(build.entries["path"].at, join("environment", "build.path"), why)
    return folder, ""
