"""What a step of a pipeline takes and gives, as its component says, and whether the step fits it."""

from __future__ import annotations

from dataclasses import dataclass

from treering.specs.checks import is_binding, is_true, join, nearest
from treering.specs.kinds import components
from treering.specs.kinds.files import resolved
from treering.specs.nodes import MapNode, Node, Place, Report, Scalar, shown
from treering.specs.on_disk import real


@dataclass(frozen=True)
class Interface:
    """The inputs and outputs of a component; None where they are not known, because it lies in a registry."""

    inputs: MapNode | None = None
    outputs: MapNode | None = None


def is_file(node: Node | None) -> bool:
    """Whether a component is given as a path rather than as a reference to a registered one."""
    return isinstance(node, Scalar) and isinstance(node.value, str) and not node.value.startswith("azureml:")


def is_flow(component: MapNode) -> bool:
    """A prompt flow used as a component: treering does not read it."""
    return "type" not in component.entries and bool({"flow", "nodes"} & component.entries.keys())


def interface(step: MapNode, report: Report) -> Interface:
    """The interface of a step: its component's, or for an inline command what the step itself declares."""
    component = step.entries.get("component") or step.entries.get("trial")
    if isinstance(component, Scalar) and is_file(component):
        component = report.opened.get(real(resolved(str(component.value), report)))
        if component is None or is_flow(component):
            return Interface()
    if isinstance(component, MapNode):
        is_trial = "component" not in step.entries and "inputs" not in component.entries
        return Interface() if is_trial else Interface(component.map("inputs"), component.map("outputs"))
    if component is None and "command" in step.entries:
        return Interface(step.map("inputs"), step.map("outputs"))
    return Interface()


def check_step_inputs(step: MapNode, found: Interface, key: str, report: Report) -> None:
    """Inputs the component does not have, inputs it needs and does not get, and values it does not allow."""
    if found.inputs is None or "component" not in step.entries:
        return
    given = step.map("inputs")
    declared = found.inputs.entries
    for name, value in given.entries.items():
        if name not in declared and name.split(".")[0] not in declared:
            hint = nearest(name, declared)
            message = f"the component has no input {name!r}{hint}"
            say(report, given.places[name], join(key, f"inputs.{name}"), message)
        elif name in declared:
            check_value(value, declared[name], join(key, f"inputs.{name}"), report)
    for name, declaration in declared.items():
        if name not in given.entries and is_needed(declaration):
            report.add(step.at, join(key, f"inputs.{name}"), "is missing: the component needs this input")


def check_value(value: Node, declaration: Node, key: str, report: Report) -> None:
    if not isinstance(value, Scalar) or is_binding(value, report.with_bindings()):
        return
    if not isinstance(declaration, MapNode) or declaration.text("type") not in components.PARAMETER_TYPES:
        return
    kind = declaration.text("type")
    if value.value is not None and not components.fits(value, kind):
        report.add(value.at, key, f"{shown(value)} is not of type {kind}, which the component asks for")
    for message in components.outside(value, declaration):
        say(report, value.at, key, message)


def say(report: Report, at: Place, key: str, message: str) -> None:
    """What Azure's own loader passes over, and what is refused where a file is to be used."""
    (report.add if report.need_files else report.note)(at, key, message)


def is_needed(declaration: Node) -> bool:
    if not isinstance(declaration, MapNode) or "default" in declaration.entries:
        return False
    return not is_true(declaration.entries.get("optional"))
