"""The inputs and outputs of a job as they were written, and where those on this machine lie."""

from __future__ import annotations

from pathlib import Path

from msgspec import convert
from msgspec.structs import replace

from treering.domain.job_spec import InputSpec, LiteralType, OutputSpec
from treering.specs.checks import folded, join
from treering.specs.kinds.files import resolved
from treering.specs.nodes import MapNode, Node, Report, Scalar, boolean_of, text_of, variable
from treering.specs.on_disk import misplaced
from treering.specs.references import parse_reference

FOLDER_TYPES = ("uri_folder", "mltable", "triton_model")


def read_inputs(inputs: MapNode, report: Report) -> tuple[dict[str, InputSpec], dict[str, Path]]:
    """The inputs, and the file or folder of each that is on this machine; absent ones are reported."""
    specs: dict[str, InputSpec] = {}
    local: dict[str, Path] = {}
    for name, node in inputs.entries.items():
        specs[name] = read_input(node)
        if isinstance(node, MapNode) and specs[name].value is None:
            path = local_data(node, specs[name], join("inputs", name), report)
            if path is not None:
                local[name] = path
    return specs, local


def read_input(node: Node) -> InputSpec:
    """One input; a value keeps the type and the text it was written with, a boolean is ``True`` or ``False`` as Azure
    sends it, and data without a type is a folder."""
    if isinstance(node, MapNode) and "value" in node.entries:
        node = node.entries["value"]
    if isinstance(node, MapNode):
        return read_data(node)
    if (said := boolean_of(node)) is not None:
        return InputSpec(type="boolean", value=said, written=variable(node))
    if isinstance(node, Scalar) and node.value is not None:
        read = InputSpec(type=literal_type(node), value=node.value)
        return read if read.literal == node.written else replace(read, written=node.written)
    return InputSpec(type="string", value=text_of(node) or "")  # ``null`` or a list that --set gave


def read_data(node: MapNode) -> InputSpec:
    written = {key: folded(node.text(key)) for key in ("type", "mode") if node.text(key)}
    return convert({"type": "uri_folder", **written, "path": node.text("path")}, InputSpec)


def literal_type(node: Scalar) -> LiteralType:
    if isinstance(node.value, int):
        return "integer"
    return "number" if isinstance(node.value, float) else "string"


def local_data(node: MapNode, spec: InputSpec, key: str, report: Report) -> Path | None:
    """Where an input's data lies on this machine, or None when it lies elsewhere."""
    if not spec.path:
        report.add(node.at, join(key, "path"), "is missing: a job runs on data that is somewhere")
        return None
    if parse_reference(spec.path).form != "local":
        return None
    path = resolved(spec.path, report)
    if message := misfit(path, spec):
        report.add(node.entries["path"].at, join(key, "path"), message)
    return path


def misfit(path: Path, spec: InputSpec) -> str:
    """What is wrong with local data for its type; "" when nothing is."""
    if why := misplaced(path, spec.path, path.parent):
        return why
    if spec.type == "uri_file" and path.is_dir():
        return f"{spec.path!r} is a folder; its type is uri_folder"
    if spec.type in FOLDER_TYPES and not path.is_dir():
        return f"{spec.path!r} is a file; its type is uri_file"
    return ""


def read_outputs(outputs: MapNode) -> dict[str, OutputSpec]:
    return {name: read_output(node) for name, node in outputs.entries.items()}


def read_output(node: Node) -> OutputSpec:
    """One output; one of which nothing was said is a folder."""
    if not isinstance(node, MapNode):
        return OutputSpec()
    version = node.entries.get("version")
    written = {key: folded(node.text(key)) for key in ("type", "mode") if node.text(key)}
    if written.get("mode") == "mount":
        written["mode"] = "rw_mount"
    return convert(
        {
            **written,
            "path": node.text("path"),
            "name": node.text("name"),
            "version": version.written if isinstance(version, Scalar) else "",
        },
        OutputSpec,
    )
