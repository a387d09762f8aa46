"""How the steps of a pipeline hang together: every binding names something, and no step waits for itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from treering.kernel.refusal import Refused
from treering.specs import expressions
from treering.specs.bindings import Names, check_text, dangling, names_of
from treering.specs.checks import join, nearest
from treering.specs.kinds.commands import check_body
from treering.specs.kinds.interfaces import Interface, check_step_inputs, interface
from treering.specs.nodes import ListNode, MapNode, Node, Report, Scalar

# A name called in the context of the pipeline: ``parent.`` may be left away (an older way of writing).
GROUPS = ("inputs", "outputs", "jobs")
# In these fields ``${{inputs.N}}`` names what the step itself declares.
OF_THE_STEP = ("command", "args", "task", "component", "trial", "environment_variables", "input_data")


def check_graph(pipeline: MapNode, key: str, report: Report) -> None:
    """Judge the bindings of a pipeline job or component whose fields have been judged already."""
    steps = {name: one for name, one in pipeline.map("jobs").entries.items() if isinstance(one, MapNode)}
    found = {name: interface(step, report) for name, step in steps.items()}
    waits: dict[str, dict[str, Scalar]] = {}
    for name, step in steps.items():
        where = join(key, f"jobs.{name}")
        check_step_inputs(step, found[name], where, report)
        waits[name] = {}
        for path, node in texts(step, where):
            check_bindings(node, path, pipeline, found, waits[name], report)
        if step.entries.keys() & {"command", "args"}:
            check_inline(step, where, report)
        if isinstance(step.entries.get("trial"), MapNode):
            check_trial(step, where, report)
    if cycle := cycle_in(waits):
        at = waits[cycle[0]][cycle[1 % len(cycle)]].at
        report.add(at, join(key, f"jobs.{cycle[0]}"), "waits for itself: " + " <- ".join([*cycle, cycle[0]]))


def check_inline(step: MapNode, key: str, report: Report) -> None:
    """Judge the expressions of a step's own command or args and variables: they name what the step declares."""
    names = Names(step.map("inputs").entries.keys(), step.map("outputs").entries.keys())
    for field in ("command", "args"):
        check_text(step.entries.get(field), names, join(key, field), report)
    for name, variable in step.map("environment_variables").entries.items():
        check_text(variable, names, join(key, f"environment_variables.{name}"), report)


def check_trial(step: MapNode, key: str, report: Report) -> None:
    """Judge the expressions of an inline trial: they name what it declares, its step is given, and tries."""
    trial = step.map("trial")
    own, space = names_of(trial), step.map("search_space").entries.keys()
    names = replace(
        own,
        inputs={*trial.map("inputs").entries, *step.map("inputs").entries, *space},
        outputs={*trial.map("outputs").entries, *step.map("outputs").entries},
        search_space=space,
    )
    check_body(trial, names, join(key, "trial"), report)


def texts(step: MapNode, key: str) -> Iterator[tuple[str, Scalar]]:
    """Every text of a step that is evaluated in the pipeline, with its key path."""
    for name, node in step.entries.items():
        if name not in OF_THE_STEP:
            yield from texts_below(node, join(key, name))


def texts_below(node: Node, key: str) -> Iterator[tuple[str, Scalar]]:
    if isinstance(node, Scalar) and isinstance(node.value, str) and "${{" in node.value:
        yield key, node
    elif isinstance(node, MapNode):
        for name, child in node.entries.items():
            yield from texts_below(child, join(key, name))
    elif isinstance(node, ListNode):
        for index, child in enumerate(node.items):
            yield from texts_below(child, f"{key}[{index}]")


def check_bindings(
    node: Scalar,
    key: str,
    pipeline: MapNode,
    found: Mapping[str, Interface],
    waits: dict[str, Scalar],
    report: Report,
) -> None:
    """Judge the expressions of one text; notes in ``waits`` which steps the text makes its step wait for."""
    try:
        references = expressions.references(str(node.value))
    except Refused as refused:
        report.add(node.at, key, refused.detail)
        return
    for one in references:
        of_step = one._replace(parts=one.parts[1:]) if one.group == "parent" else one
        if message := binding_fault(of_step, pipeline, found):
            report.add(node.at, key, message)
        elif of_step.group == "jobs":
            waits.setdefault(of_step.parts[1], node)


def binding_fault(one: expressions.Reference, pipeline: MapNode, found: Mapping[str, Interface]) -> str:
    """What is wrong with a binding to the pipeline around a step; "" when nothing is."""
    if not one.parts or one.group not in GROUPS:
        is_word = len(one.parts) == 1 and one.parts[0] in expressions.SERVER_WORDS
        return "" if is_word else "write ${{parent.inputs.NAME}} or ${{parent.jobs.STEP.outputs.NAME}}"
    if one.group == "jobs":
        return step_fault(one, found)
    known = pipeline.map(one.group).entries
    if one.name in known or (len(one.parts) > 1 and one.parts[1] in known):
        return ""
    return dangling(one, known.keys())


def step_fault(one: expressions.Reference, found: Mapping[str, Interface]) -> str:
    if len(one.parts) < 4 or one.parts[2] not in ("inputs", "outputs"):
        return "write ${{parent.jobs.STEP.outputs.NAME}}"
    step, group, name = one.parts[1], one.parts[2], ".".join(one.parts[3:])
    if step not in found:
        return f"there is no step {step!r}{nearest(step, found)}"
    declared = found[step].outputs if group == "outputs" else found[step].inputs
    if declared is None or name in declared.entries or one.parts[3] in declared.entries:
        return ""
    return f"the step {step!r} has no {group[:-1]} {name!r}{nearest(name, declared.entries)}"


def cycle_in(waits: Mapping[str, Mapping[str, Scalar]]) -> list[str]:
    """The names of steps that wait for one another in a ring, or nothing."""
    done: set[str] = set()
    for start in waits:
        path: list[str] = []
        if ring := ring_from(start, waits, path, done):
            return ring
    return []


def ring_from(start: str, waits: Mapping[str, Mapping[str, Scalar]], path: list[str], done: set[str]) -> list[str]:
    stack = [iter([start])]
    while stack:
        step = next(stack[-1], None)
        if step is None:
            stack.pop()
            if path:
                done.add(path.pop())
        elif step in path:
            return path[path.index(step) :]
        elif step not in done:
            path.append(step)
            stack.append(iter(waits.get(step, {})))
    return []
