"""``job/sweep``: a command tried with many values."""

from __future__ import annotations

from dataclasses import replace

from treering.specs.bindings import names_of
from treering.specs.checks import Check, filled, integer, is_number, matching, number, one_of, scalar, text
from treering.specs.kinds import commands, data
from treering.specs.kinds.parts import IDENTIFIER_WORDS, IDENTIFIERS, JOB_HEAD, queue_settings, resources
from treering.specs.nodes import MapNode, Node, Report, Scalar
from treering.specs.shapes import both, list_of, map_of, nullable, record, shaped, tagged

RANGE: dict[str, Check] = {"type": text, "min_value": number(), "max_value": number()}
BELL: dict[str, Check] = {"type": text, "mu": number(), "sigma": number(0)}


def all_of(fields: dict[str, Check]) -> Check:
    return record(fields, required=fields)


def choice(node: Node, key: str, report: Report) -> None:
    """Values to choose from; one that is a mapping holds further distributions."""
    record({"type": text, "values": list_of(shaped(scalar, map_of(shaped(scalar, distribution))))})(node, key, report)


def distribution(node: Node, key: str, report: Report) -> None:
    tagged("type", DISTRIBUTIONS)(node, key, report)


DISTRIBUTIONS: dict[str, Check] = {
    "choice": choice,
    "uniform": all_of(RANGE),
    "loguniform": all_of(RANGE),
    "quniform": all_of({**RANGE, "q": number(0)}),
    "qloguniform": all_of({**RANGE, "q": number(0)}),
    "normal": all_of(BELL),
    "lognormal": all_of(BELL),
    "qnormal": all_of({**BELL, "q": number(0)}),
    "qlognormal": all_of({**BELL, "q": number(0)}),
    "randint": all_of({"type": text, "upper": integer(1)}),
}
POLICY: dict[str, Check] = {
    "type": text,
    "evaluation_interval": nullable(integer(1)),
    "delay_evaluation": nullable(integer(0)),
}
SWEEP: dict[str, Check] = {
    "sampling_algorithm": shaped(
        scalar=one_of("random", "grid", "bayesian"),
        mapping=tagged(
            "type",
            {
                "random": record(
                    {
                        "type": text,
                        "seed": integer(),
                        "logbase": shaped(scalar=scalar),
                        "rule": one_of("random", "sobol"),
                    }
                ),
                "grid": record({"type": text}),
                "bayesian": record({"type": text}),
            },
        ),
    ),
    "search_space": map_of(distribution, IDENTIFIERS, IDENTIFIER_WORDS),
    "objective": all_of({"goal": one_of("minimize", "maximize"), "primary_metric": filled}),
    "early_termination": tagged(
        "type",
        {
            "bandit": record({**POLICY, "slack_factor": nullable(number(0)), "slack_amount": nullable(number(0))}),
            "median_stopping": record(POLICY),
            "truncation_selection": record(
                {**POLICY, "truncation_percentage": integer(1, 99)}, required=("truncation_percentage",)
            ),
        },
    ),
    "limits": record(
        {
            "max_total_trials": integer(1, 1000),
            "max_concurrent_trials": integer(1, 1000),
            "timeout": integer(1),
            "trial_timeout": integer(1),
        },
        required=("max_total_trials",),
    ),
    "queue_settings": queue_settings,
    "resources": resources,
}
JOB: dict[str, Check] = {
    **JOB_HEAD,
    **SWEEP,
    "type": matching("(?i)sweep", "a sweep job has the type sweep"),
    "trial": record(commands.BODY, required=("command", "environment")),
    "inputs": data.inputs,
    "outputs": data.outputs,
}
REQUIRED = ("type", "trial", "search_space", "objective", "limits")


def expressions_of(node: Node, key: str, report: Report) -> None:
    """The trial names the inputs and outputs of the sweep, and its search space."""
    if not isinstance(node, MapNode):
        return
    space = node.map("search_space").entries.keys()
    trial = node.map("trial")
    commands.check_body(trial, replace(names_of(node), search_space=space), "trial", report)


def space_in_order(node: Node, key: str, report: Report) -> None:
    """No distribution ends before it begins."""
    if not isinstance(node, MapNode):
        return
    for name, one in node.map("search_space").entries.items():
        if not isinstance(one, MapNode):
            continue
        low, high = one.entries.get("min_value"), one.entries.get("max_value")
        if isinstance(low, Scalar) and isinstance(high, Scalar) and out_of_order(low, high):
            report.add(high.at, f"search_space.{name}.max_value", f"{high.value} is less than {low.value}")


def out_of_order(low: Scalar, high: Scalar) -> bool:
    return is_number(low.value) and is_number(high.value) and high.value < low.value


job = both(record(JOB, required=REQUIRED), expressions_of, space_in_order)
