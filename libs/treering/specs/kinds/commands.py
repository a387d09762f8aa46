"""A command and what it needs: command jobs, sweep trials, components and the steps of pipelines."""

from __future__ import annotations

from treering.specs import expressions
from treering.specs.bindings import Names, check_text, names_of
from treering.specs.checks import Check, anything, filled, integer, join, matching, one_of, reference, text
from treering.specs.kinds import data, environments
from treering.specs.kinds.parts import JOB_HEAD, environment_variables, queue_settings, resources
from treering.specs.nodes import ListNode, MapNode, Node, Place, Report, Scalar, text_of
from treering.specs.shapes import both, list_of, record, tagged

PER_NODE: dict[str, Check] = {"type": text, "process_count_per_instance": integer(1)}
distribution = tagged(
    "type",
    {
        "pytorch": record(PER_NODE),
        "mpi": record(PER_NODE),
        "tensorflow": record({"type": text, "worker_count": integer(1), "parameter_server_count": integer(0)}),
        "ray": record(
            {
                "type": text,
                "port": integer(1, 65535),
                "address": text,
                "include_dashboard": text,
                "dashboard_port": integer(1, 65535),
                "head_node_additional_args": text,
                "worker_node_additional_args": text,
            }
        ),
    },
)
BODY: dict[str, Check] = {
    "command": filled,
    "code": reference("local", "git", "http", "registry", "asset", "arm"),
    "environment": environments.environment,
    "environment_variables": environment_variables,
    "resources": resources,
    "distribution": distribution,
    "queue_settings": queue_settings,
}


def network(node: Node, key: str, report: Report) -> None:
    """A key that Azure ML does not have: what of the network a job may reach."""
    one_of("full", "none", exact=True)(node, key, report)
    report.note(node.at, key, OURS)


def variable_names(node: Node, key: str, report: Report) -> None:
    """A key that Azure ML does not have: which environment variables are secret, or are not, whatever their names
    are."""
    list_of(filled)(node, key, report)
    report.note(node.at, key, OURS)


def declared_variables(node: Node, key: str, report: Report) -> None:
    """Each variable that is declared is one of the job, or may be one of an environment that is registered; and none is
    declared both secret and public."""
    if not isinstance(node, MapNode):
        return
    own = node.map("environment_variables").entries
    is_known = not isinstance(node.entries.get("environment"), Scalar)
    secret = names_in(node.entries.get("secret_variables"))
    for word in ("secret_variables", "public_variables"):
        for name, at in names_in(node.entries.get(word)).items():
            if is_known and name not in own and name not in report.given:
                how = f", or give it with --secret {name[:60]}" if word == "secret_variables" else ""
                why = f"is no environment variable of the job; set it among environment_variables{how}"
                report.add(at, join(key, word), f"{name[:60]!r} {why}")
            elif word == "public_variables" and name in secret:
                report.add(at, join(key, word), f"{name[:60]!r} is among the secret_variables too; leave it out there")


def names_in(node: Node | None) -> dict[str, Place]:
    items = node.items if isinstance(node, ListNode) else ()
    return {one.written: one.at for one in items if isinstance(one, Scalar)}


OURS = "Azure ML has no such key and refuses the file; see docs/azure.md"
limits = record({"timeout": integer(1)})
JOB: dict[str, Check] = {
    **JOB_HEAD,
    **BODY,
    "type": matching("command", "a command job has the type command"),
    "limits": limits,
    "network": network,
    "secret_variables": variable_names,
    "public_variables": variable_names,
    "inputs": data.inputs,
    "outputs": data.outputs,
    "parent_job_name": text,
    "parameters": anything,
}


def expressions_of(node: Node, key: str, report: Report) -> None:
    """Every expression in the command, its variables and its output paths names something that is there."""
    if isinstance(node, MapNode):
        check_body(node, names_of(node), key, report)
        for name, given in node.map("inputs").entries.items():
            check_literal(given, join(key, f"inputs.{name}"), report)


def check_literal(node: Node, key: str, report: Report) -> None:
    """Only in a pipeline do inputs name something; here they could only name each other, in a circle."""
    if isinstance(node, MapNode):
        node = node.entries.get("value", node)
    if isinstance(node, Scalar) and expressions.OPEN in node.written:
        report.add(node.at, key, expressions.IN_A_VALUE)


def check_body(node: MapNode, names: Names, key: str, report: Report) -> None:
    check_text(node.entries.get("command"), names, join(key, "command"), report)
    for name, variable in node.map("environment_variables").entries.items():
        check_text(variable, names, join(key, f"environment_variables.{name}"), report)
    for name, output in node.map("outputs").entries.items():
        if isinstance(output, MapNode):
            where = join(key, f"outputs.{name}.path")
            check_path(output.entries.get("path"), where, report)


def check_path(node: Node | None, key: str, report: Report) -> None:
    """An output path holds only the words that the server fills in."""
    if text_of(node) is None or report.bindings:
        return
    check_text(node, Names(words=expressions.SERVER_WORDS), key, report)


job = both(both(record(JOB, required=("command", "environment")), expressions_of), declared_variables)
