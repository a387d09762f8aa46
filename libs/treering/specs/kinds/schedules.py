"""``schedule/job``: when, and which job."""

from __future__ import annotations

from treering.specs.checks import Check, anything, filled, one_of, reference, text
from treering.specs.kinds import commands, data, pipelines, sweeps
from treering.specs.kinds.files import opened, resolved
from treering.specs.kinds.parts import JOB_HEAD, READ_ONLY, any_tags, environment_variables
from treering.specs.kinds.triggers import trigger
from treering.specs.nodes import Node, Report, Scalar
from treering.specs.shapes import map_of, record, shaped

job_reference = reference("asset", "arm")
JOBS: dict[str, Check] = {"command": commands.job, "pipeline": pipelines.job, "sweep": sweeps.job}


def job_file(node: Node, key: str, report: Report) -> None:
    """A job that exists already, or the path of a job YAML, which is judged as well."""
    if not isinstance(node, Scalar) or not isinstance(node.value, str) or node.value.startswith("azureml:"):
        job_reference(node, key, report)
        return
    found = opened(node.value, node.at, key, report)
    if found is not None:
        judge = JOBS.get(found.text("type") or "command", anything)
        judge(found, "", report.in_folder(resolved(node.value, report).parent))


CHANGED: dict[str, Check] = {
    **JOB_HEAD,
    "type": one_of(*JOBS, "spark"),
    "job": job_file,
    "inputs": data.inputs,
    "outputs": data.outputs,
    "settings": pipelines.settings,
    "environment": commands.BODY["environment"],
    "environment_variables": environment_variables,
    "resources": commands.BODY["resources"],
    "distribution": commands.BODY["distribution"],
    "queue_settings": commands.BODY["queue_settings"],
    "limits": commands.limits,
}
schedule = record(
    {
        **READ_ONLY,
        "name": filled,
        "display_name": text,
        "description": text,
        "tags": any_tags,
        "properties": map_of(anything),
        "is_enabled": anything,
        "trigger": trigger,
        "create_job": shaped(scalar=job_file, mapping=record(CHANGED, required=("job",))),
    },
    required=("name", "trigger", "create_job"),
)
