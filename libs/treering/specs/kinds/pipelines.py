"""``job/pipeline`` and ``component/pipeline``: steps of every type, and the components they name.

Steps of type automl, spark, import and data_transfer, and the control-flow steps, are read over: only their
inputs and outputs are judged.
"""

from __future__ import annotations

import re

from treering.specs.checks import Check, boolean, join, matching, reference, text
from treering.specs.kinds import commands, components, data, sweeps
from treering.specs.kinds.components import COMPONENT
from treering.specs.kinds.files import opened, resolved
from treering.specs.kinds.graph import check_graph
from treering.specs.kinds.interfaces import is_file, is_flow
from treering.specs.kinds.parts import JOB_HEAD
from treering.specs.nodes import MapNode, Node, Report, Scalar, text_of
from treering.specs.on_disk import real
from treering.specs.shapes import both, map_of, open_record, record, shaped, tagged

STEP_NAMES = re.compile(r"[a-z_][a-z0-9_]*")
STEP_WORDS = "use lower-case letters, digits and '_', starting with a letter or '_'"
registered = reference("asset", "arm", "registry")

resource = reference("asset", "arm")


def default_compute(node: Node, key: str, report: Report) -> None:
    """A compute target, as azureml:NAME; Azure ML knows one word beside."""
    if text_of(node) != "serverless":
        resource(node, key, report)


settings = open_record(
    {
        "default_compute": default_compute,
        "default_datastore": resource,
        "continue_on_step_failure": boolean,
        "continue_run_on_failed_optional_input": boolean,
        "force_rerun": boolean,
    }
)


def component_file(node: Node, key: str, report: Report) -> None:
    """A registered component, or the path of a component YAML, which is judged as well."""
    if not isinstance(node, Scalar) or not is_file(node):
        registered(node, key, report)
        return
    known = real(resolved(str(node.value), report))
    is_new = known not in report.opened
    found = opened(str(node.value), node.at, key, report)
    if found is not None and is_new:
        component(found, "", report.in_folder(resolved(str(node.value), report).parent))


def component(node: MapNode, key: str, report: Report) -> None:
    """A component in a file of its own; one of another type is judged by what it takes and gives only.

    It is used without being registered: its name is not needed, and may be any.
    """
    kind = node.text("type") or ("" if is_flow(node) else "command")
    rules = {"command": components.inline_command, "pipeline": inline_pipeline}
    rules.get(kind, other_component)(node, key, report)


def other_component(node: Node, key: str, report: Report) -> None:
    if isinstance(node, MapNode) and not is_flow(node):
        for field in ("inputs", "outputs"):
            if field in node.entries:
                COMPONENT[field](node.entries[field], join(key, field), report)


def inline_component(node: Node, key: str, report: Report) -> None:
    components.inline_command(node, key, report.in_folder(report.folder))


def inline_trial(node: Node, key: str, report: Report) -> None:
    """What a sweep tries; its expressions are judged with the step, which has the search space (``check_graph``)."""
    components.inline_body(node, key, report.in_folder(report.folder))


STEP: dict[str, Check] = {
    **JOB_HEAD,
    "type": text,
    "comment": text,
    "inputs": data.inputs,
    "outputs": data.outputs,
    "component": shaped(scalar=component_file, mapping=inline_component),
}
COMMAND_STEP: dict[str, Check] = {**STEP, **commands.BODY, "limits": commands.limits}
SWEEP_STEP: dict[str, Check] = {
    **STEP,
    **sweeps.SWEEP,
    "trial": shaped(scalar=component_file, mapping=inline_trial),
}
PARALLEL_STEP: dict[str, Check] = {**STEP, **components.PARALLEL, "environment": commands.BODY["environment"]}


def command_step(node: Node, key: str, report: Report) -> None:
    is_component = isinstance(node, MapNode) and "component" in node.entries
    (open_record if is_component else record)(COMMAND_STEP)(node, key, report)
    if isinstance(node, MapNode) and "component" not in node.entries:
        for name in ("command", "environment"):
            if name not in node.entries:
                report.add(node.at, join(key, name), "is missing: a step has a component, or a command of its own")


def other_step(node: Node, key: str, report: Report) -> None:
    """A step treering reads over."""
    if isinstance(node, MapNode):
        for field in ("inputs", "outputs"):
            if field in node.entries:
                STEP[field](node.entries[field], join(key, field), report)
        if is_file(node.entries.get("component")):
            component_file(node.entries["component"], join(key, "component"), report)


OTHER_STEPS = ("automl", "spark", "import", "data_transfer", "if_else", "do_while", "parallel_for")
step = tagged(
    "type",
    {
        "command": command_step,
        "pipeline": open_record(STEP, required=("component",)),
        "parallel": record(PARALLEL_STEP),
        "sweep": open_record(SWEEP_STEP, required=("trial", "objective", "limits")),
        **dict.fromkeys(OTHER_STEPS, other_step),
    },
    default="command",
)
STEPS = map_of(step, STEP_NAMES, STEP_WORDS)


def steps(node: Node, key: str, report: Report) -> None:
    STEPS(node, key, report.with_bindings())


JOB: dict[str, Check] = {
    **JOB_HEAD,
    "type": matching("(?i)pipeline", "a pipeline job has the type pipeline"),
    "settings": settings,
    "inputs": data.inputs,
    "outputs": data.outputs,
    "jobs": steps,
    "component": component_file,
}
PIPELINE_COMPONENT: dict[str, Check] = {
    **COMPONENT,
    "type": matching("(?i)pipeline", "a pipeline component has the type pipeline"),
    "jobs": steps,
}


def job(node: Node, key: str, report: Report) -> None:
    record(JOB, required=("type",))(node, key, report)
    if isinstance(node, MapNode) and "jobs" not in node.entries and "component" not in node.entries:
        report.add(node.at, join(key, "jobs"), "is missing: a pipeline has jobs, or the component it runs")
    graph(node, key, report)


def graph(node: Node, key: str, report: Report) -> None:
    if isinstance(node, MapNode):
        check_graph(node, key, report)


pipeline_component = both(open_record(PIPELINE_COMPONENT, required=("name", "type", "jobs")), graph)
inline_pipeline = both(open_record({**PIPELINE_COMPONENT, "name": text}, required=("jobs",)), graph)
