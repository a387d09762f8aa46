"""What the outputs of a job with a name became when it had completed: versions of models, or why not."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from treering.cli.model_names import model_key
from treering.cli.session import Session
from treering.cli.shapes import registration_error

if TYPE_CHECKING:
    from treering.client.http import Client

SETTLED_SECONDS_MAX = 30.0
LOOK_SECONDS = 0.2
MODEL_TYPES = ("custom_model", "mlflow_model", "triton_model")
Resource = dict[str, Any]


def said_of_models(session: Session, client: Client, job: Resource) -> Iterator[str]:
    """A line for each output with a name. A server registers them just after the job has completed: they are waited
    for, but not for ever."""
    outputs, until = named_outputs(job), monotonic() + SETTLED_SECONDS_MAX
    while outputs:
        for name in [one for one in outputs if is_settled(session, client, job, one)]:
            yield sentence(name, job["state"]["registered"][name])
            outputs.remove(name)
        if not outputs or monotonic() > until:
            break
        sleep(LOOK_SECONDS)
        job = client.get(session.path("job", job["name"]))
    for name in outputs:
        yield f"output {name} is not registered yet; `treering job show {job['name']}` says when it is"


def named_outputs(job: Resource) -> list[str]:
    """Those that become models; none of a job that did not complete."""
    if job["status"] != "Completed":
        return []
    asked = job["state"]["spec"].get("outputs", {})
    return [name for name, one in asked.items() if one.get("name") and one.get("type") in MODEL_TYPES]


def is_settled(session: Session, client: Client, job: Resource, output: str) -> bool:
    """The job has the number of a version before the version is there, and may be refused it until then."""
    from treering.client.errors import ApiError

    found = job["state"].get("registered", {}).get(output)
    if found is None or found.get("code"):
        return found is not None
    try:
        client.get(session.path("model", f"{model_key(found['model'])}:{found['version']}"))
    except ApiError as error:
        if error.code != "model.absent":
            raise
        return False
    return True


def sentence(output: str, found: Resource) -> str:
    if found.get("code"):
        return f"warning: output {output} is not registered as a model: {registration_error(found)}"
    return f"output {output} is model azureml:{found['model']}:{found['version']}"
