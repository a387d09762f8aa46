"""``inputs`` and ``outputs`` of jobs and of the steps of pipelines."""

from __future__ import annotations

from treering.specs.checks import (
    Check,
    anything,
    filled,
    is_binding,
    join,
    one_of,
    reference,
    scalar,
    text,
    version,
)
from treering.specs.kinds.parts import IDENTIFIER_WORDS, IDENTIFIERS
from treering.specs.nodes import MapNode, Node, Report
from treering.specs.shapes import made_of, map_of, nullable, record, shaped

DATA_TYPES = ("uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model")
INPUT_MODES = ("ro_mount", "download", "direct", "eval_mount", "eval_download")
OUTPUT_MODES = ("rw_mount", "upload", "direct", "mount")
data_path = reference(
    "asset", "arm", "registry", "datastore", "job_output", "run", "mlflow_model", "artifact", "http", "wasbs", "abfss",
    "adl", "local",
)  # fmt: skip

INPUT: dict[str, Check] = {
    "type": one_of(*DATA_TYPES, camel=False),
    "path": data_path,
    "mode": one_of(*INPUT_MODES, camel=False),
    "datastore": text,
    "path_on_compute": text,
}
data_input = record(INPUT)
literal_input = record({"value": scalar}, required=("value",))
OUTPUT: dict[str, Check] = {
    "$schema": anything,
    "type": one_of(*DATA_TYPES, camel=False),
    "path": data_path,
    "mode": one_of(*OUTPUT_MODES, camel=False),
    "name": filled,
    "version": version,
}


@made_of(data_input, literal_input)
def written_input(node: Node, key: str, report: Report) -> None:
    """An input written as a mapping: data somewhere, or a value."""
    if isinstance(node, MapNode) and "value" in node.entries:
        literal_input(node, key, report)
        return
    data_input(node, key, report)
    if not isinstance(node, MapNode) or not node.text("mode").startswith("eval_"):
        return
    if node.text("type") not in ("mltable", ""):
        at = node.entries["mode"].at
        report.add(at, join(key, "mode"), f"{node.text('mode')} is for inputs of type mltable")


written_output = record(OUTPUT)


@made_of(written_output)
def output(node: Node, key: str, report: Report) -> None:
    written_output(node, key, report)
    if isinstance(node, MapNode) and "version" in node.entries and "name" not in node.entries:
        report.add(node.at, join(key, "name"), "is missing: a version needs the name of the asset")


def bound(node: Node, key: str, report: Report) -> None:
    """The output of a step, given as nothing more than a binding."""
    if not is_binding(node, report):
        report.add(node.at, key, "a mapping or a binding ${{parent.outputs.NAME}} is needed here")


def named(check: Check) -> Check:
    return map_of(check, IDENTIFIERS, IDENTIFIER_WORDS)


inputs = named(shaped(scalar=scalar, mapping=written_input))
outputs = named(nullable(shaped(scalar=bound, mapping=output)))
