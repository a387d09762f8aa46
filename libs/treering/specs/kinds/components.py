"""``component/command`` and ``component/pipeline``: what they take, what they give, and their defaults."""

from __future__ import annotations

from treering.specs.checks import (
    Check,
    anything,
    boolean,
    filled,
    integer,
    is_number,
    join,
    matching,
    one_of,
    scalar,
    text,
    version,
)
from treering.specs.kinds import commands
from treering.specs.kinds.data import DATA_TYPES, named
from treering.specs.kinds.parts import READ_ONLY, RESOURCES, asset_reference, environment_variables
from treering.specs.nodes import ListNode, MapNode, Node, Report, Scalar, Value, boolean_of, shown
from treering.specs.shapes import both, list_of, map_of, open_record, record, tagged

NAME = matching(r"[a-z][a-z0-9_]*", "use lower-case letters, digits and '_', starting with a letter")
MODES = one_of(
    "ro_mount",
    "rw_mount",
    "mount",
    "download",
    "upload",
    "direct",
    "eval_mount",
    "eval_download",
    "link",
    exact=True,
)
PARAMETER_TYPES = ("string", "integer", "number", "boolean")
PARAMETER: dict[str, Check] = {
    "type": text,
    "optional": boolean,
    "default": scalar,
    "description": text,
    "min": scalar,
    "max": scalar,
    "enum": list_of(scalar),
}
PORT: dict[str, Check] = {
    "type": text, "description": text, "optional": boolean, "default": text, "mode": MODES,
}  # fmt: skip
PORT_TYPES = ("path", *DATA_TYPES)
OUTPUT: dict[str, Check] = {"type": text, "description": text, "mode": MODES, "early_available": boolean}


def parameter(node: Node, key: str, report: Report) -> None:
    """A parameter whose default is of its type, within its bounds and among its choices."""
    record(PARAMETER)(node, key, report)
    if not isinstance(node, MapNode):
        return
    kind = node.text("type")
    for name in ("default", "min", "max"):
        one = node.entries.get(name)
        if isinstance(one, Scalar) and one.value is not None and not fits(one, kind):
            report.add(one.at, join(key, name), f"{shown(one)} is not of type {kind}")
    default = node.entries.get("default")
    if isinstance(default, Scalar) and default.value is not None:
        for message in outside(default, node):
            report.add(default.at, join(key, "default"), message)


def fits(given: Scalar, kind: str) -> bool:
    """Whether a value is, or its text reads as, one of the type."""
    value = given.value
    if kind == "boolean":
        return boolean_of(given) is not None or str(value).lower() in ("true", "false")
    if kind == "string":
        return True
    found = numeric(value)
    return found is not None and (kind == "number" or found == int(found))


def numeric(value: Value) -> float | None:
    if not is_number(value) and not isinstance(value, str):
        return None
    try:
        found = float(str(value))
    except ValueError:
        return None
    return found if abs(found) < 2**63 else None


def bound(node: Node | None) -> float | None:
    return numeric(node.value) if isinstance(node, Scalar) else None


def outside(value: Scalar, declared: MapNode) -> list[str]:
    """What the declaration of an input says against a value given to it."""
    messages = []
    found = numeric(value.value)
    low, high = (bound(declared.entries.get(name)) for name in ("min", "max"))
    if low is not None and found is not None and found < low:
        messages.append(f"{shown(value)} is less than the minimum {low:g}")
    if high is not None and found is not None and found > high:
        messages.append(f"{shown(value)} is more than the maximum {high:g}")
    choices = declared.entries.get("enum")
    if isinstance(choices, ListNode):
        allowed = [str(one.value) for one in choices.items if isinstance(one, Scalar)]
        if str(value.value) not in allowed:
            messages.append(f"{shown(value)} is not one of {', '.join(allowed)}")
    return messages


COMPONENT: dict[str, Check] = {
    **READ_ONLY,
    "name": NAME,
    "version": version,
    "display_name": text,
    "description": text,
    "tags": map_of(text),
    "properties": map_of(anything),
    "is_deterministic": boolean,
    "additional_includes": list_of(filled),
    "auto_delete_setting": anything,
    "intellectual_property": anything,
    "inputs": named(
        tagged(
            "type",
            {**dict.fromkeys(PARAMETER_TYPES, parameter), **dict.fromkeys(PORT_TYPES, record(PORT))},
            exact=True,
        )
    ),
    "outputs": named(tagged("type", dict.fromkeys((*PARAMETER_TYPES, *PORT_TYPES), record(OUTPUT)), exact=True)),
}
COMMAND: dict[str, Check] = {
    **COMPONENT,
    **commands.BODY,
    "type": matching("(?i)command", "a command component has the type command"),
    "resources": map_of(anything),
}
PARALLEL_TASK: dict[str, Check] = {
    "type": one_of("run_function", "model", "function"),
    "code": commands.BODY["code"],
    "entry_script": filled,
    "program_arguments": text,
    "model": asset_reference,
    "append_row_to": text,
    "environment": commands.BODY["environment"],
}
PARALLEL: dict[str, Check] = {
    "task": open_record(PARALLEL_TASK),
    "logging_level": one_of("DEBUG", "INFO", "WARNING"),
    "mini_batch_size": scalar,
    "partition_keys": list_of(text),
    "input_data": text,
    "resources": record(RESOURCES),
    "retry_settings": record({"timeout": integer(1), "max_retries": integer(0)}),
    "max_concurrency_per_instance": integer(1),
    "error_threshold": integer(-1),
    "mini_batch_error_threshold": integer(-1),
    "environment_variables": environment_variables,
}
command = both(open_record(COMMAND, required=("name", "command", "environment")), commands.expressions_of)
inline_body = open_record({**COMMAND, "name": text}, required=("command", "environment"))
inline_command = both(inline_body, commands.expressions_of)
