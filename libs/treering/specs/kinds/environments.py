"""``environment``: as a resource of its own, inline in a job, in a file of its own, or as a reference.

``python`` and ``requirements`` are treering's own keys: a Python version, and a list of requirements or the
path of a requirements file, for an environment without an image.
"""

from __future__ import annotations

from treering.specs.checks import Check, anything, filled, integer, is_binding, join, one_of, reference, text
from treering.specs.kinds.files import is_absent, opened, resolved
from treering.specs.kinds.parts import ASSET_HEAD, asset_reference, without
from treering.specs.nodes import MapNode, Node, Report, text_of
from treering.specs.shapes import list_of, made_of, record, shaped

SOURCES = ("image", "build", "conda_file", "requirements", "python")
# What would be left out beside the key that says everything to run in.
EXCLUDED = {"build": ("image", "conda_file", "requirements", "python"), "conda_file": ("requirements", "python")}


def existing_file(node: Node, key: str, report: Report) -> None:
    """A path of a file that is there."""
    filled(node, key, report)
    if (written := text_of(node)) is not None:
        is_absent(resolved(written, report), written, node.at, key, report)


route = record({"port": integer(1, 65535), "path": text}, required=("port", "path"))
ROUTES = ("liveness_route", "readiness_route", "scoring_route")
inference_config = record(dict.fromkeys(ROUTES, route), required=ROUTES)
ENVIRONMENT: dict[str, Check] = {
    **without(ASSET_HEAD, "properties", "stage"),
    "intellectual_property": anything,
    "image": filled,
    "build": record({"path": reference("local", "http", "git"), "dockerfile_path": filled}),
    "conda_file": shaped(scalar=existing_file, mapping=anything),
    "inference_config": inference_config,
    "os_type": one_of("linux", "windows"),
    "python": text,
    "requirements": shaped(scalar=existing_file, items=list_of(filled)),
}


unnamed = record({**ENVIRONMENT, "name": anything, "version": anything})


def check_sources(node: Node, key: str, report: Report) -> None:
    """One source to run in, or those that go together: ``image`` with ``conda_file``, or with ``requirements``."""
    if not isinstance(node, MapNode):
        return
    present = ((one, other) for one, others in EXCLUDED.items() if one in node.entries for other in others)
    for source, other in present:
        if other in node.entries:
            places = [node.places.get(name, node.at) for name in (other, source)]
            at = next((place for place in places if place.file.startswith("--")), places[0])  # what was added last
            said = f"cannot stand beside {source}, which says the whole environment; give one of them"
            report.add(at, join(key, other), said)


@made_of(unnamed)
def inline(node: Node, key: str, report: Report) -> None:
    """An environment written where it is used: its name means nothing, but something to run in is needed in the end."""
    unnamed(node, key, report)
    check_sources(node, key, report)
    if report.need_files and isinstance(node, MapNode) and not any(source in node.entries for source in SOURCES):
        report.add(node.at, key, f"says nothing to run in; give one of {', '.join(SOURCES)}")


def by_name(node: Node, key: str, report: Report) -> None:
    """A reference, or ``file:`` and the path of an environment YAML."""
    written = text_of(node) or ""
    if not written.startswith("file:"):
        asset_reference(node, key, report)
        return
    found = opened(written, node.at, key, report)
    if found is not None:
        inline(found, "", report.in_folder(resolved(written, report).parent))


written = shaped(scalar=by_name, mapping=inline)


@made_of(written)
def environment(node: Node, key: str, report: Report) -> None:
    """The environment of a job, a step, a component or a deployment."""
    if not is_binding(node, report):
        written(node, key, report)


named = record(ENVIRONMENT, required=("name",))


@made_of(named)
def resource(node: Node, key: str, report: Report) -> None:
    """An environment in a file of its own, or given by options."""
    named(node, key, report)
    check_sources(node, key, report)
