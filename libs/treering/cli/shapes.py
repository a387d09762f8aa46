"""Resources in the shapes ``az ml ... show`` gives them, so that scripts made for those go on working."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from treering.cli.times import between_seconds
from treering.kernel.arm_names import LOCATION, RESOURCE_GROUP, compute_id, model_id, workspace_id

JOB_OF = re.compile(r"azureml://jobs/([^/]+)/")
TERMINAL = ("Completed", "Failed", "Canceled")
Shape = dict[str, Any]


# The columns of CSV, the same whatever the resources are: what all have, and what each kind has before that.
CREATED = ("creation_context.created_at", "creation_context.created_by", "creation_context.last_modified_at")
HISTORY = (*CREATED, "position", "commit_count")
JOB = (
    "name", "type", "status", "display_name", "experiment_name", "description", "compute", "command", "code",
    "environment", "environment_variables", "inputs", "outputs", "resources", "limits", "tags", "archived",
    "properties", "run_seconds", *HISTORY,
)  # fmt: skip
MODEL = (
    "name", "version", "id", "type", "status", "path", "description", "tags", "properties", "flavors", "stage",
    "digest", "run_id", "model_id", *HISTORY,
)  # fmt: skip


def shape(resource: Shape, people: dict[str, str]) -> Shape:
    """A resource of the API for people and scripts; ``people`` are display names of actors."""
    shaped = SHAPES.get(resource["kind"], plain)(resource)
    return {**shaped, **history(resource, people)}


def history(resource: Shape, people: dict[str, str]) -> Shape:
    created_by = resource["created_by"]
    return {
        "creation_context": {
            "created_at": resource["created_at"],
            "created_by": people.get(created_by, created_by),
            "last_modified_at": resource["changed_at"],
        },
        "position": resource["position"],
        "commit_count": resource["version"],
        **({"warning": resource["warning"]} if resource.get("warning") else {}),
        "timeline": [{"status": status, "since": since} for status, since in resource["timeline"]],
    }


def plain(resource: Shape) -> Shape:
    state = {name: value for name, value in resource["state"].items() if name != "status"}
    return {
        "name": resource["name"],
        "type": resource["kind"],
        "status": resource["status"],
        **state,
        "tags": resource.get("labels", {}),
    }


def workspace(resource: Shape) -> Shape:
    state = resource["state"]
    return {
        **plain(resource),
        "id": workspace_id(resource["name"]),
        "display_name": state.get("display_name") or resource["name"],
        "description": state.get("description", ""),
        "location": LOCATION,
        "resource_group": RESOURCE_GROUP,
        "network": state.get("network", "full"),
    }


def compute(resource: Shape) -> Shape:
    """A compute target. ``type`` is Azure's word for it, ``compute_type`` the one that is used here."""
    state = resource["state"]
    own = state.get("compute_type", "nodes")
    nodes = {} if state.get("alias_of") else {"compute_type": own, "nodes_max": state.get("nodes_max", 100)}
    return {
        **plain(resource),
        "id": compute_id(resource["workspace"], resource["name"]),
        "type": "alias" if state.get("alias_of") else "amlcompute" if own == "nodes" else own,
        "provisioning_state": "Succeeded" if resource["status"] == "active" else "Deleted",
        "description": state.get("description", ""),
        "location": LOCATION,
        "resource_group": RESOURCE_GROUP,
        **nodes,
        **({"max_instances": nodes["nodes_max"]} if nodes else {}),
    }


def environment(resource: Shape) -> Shape:
    name, _, version = resource["name"].partition(":")
    state = resource["state"]
    return {
        "name": name,
        "version": version,
        "id": f"azureml:{resource['name']}",
        "status": resource["status"],
        "description": state.get("description", ""),
        "tags": state.get("tags", {}),
        **state.get("spec", {}),
    }


def model(resource: Shape) -> Shape:
    """A version of a model. ``path`` is what it was said to be made of, ``stage`` is MLflow's."""
    state = resource["state"]
    spec = state.get("spec") or {}
    facts = ("digest", "unpinned", "run_id", "model_id")
    key, _, number = resource["name"].partition(":")
    name, version = spec.get("name", key), spec.get("label") or number
    job_name = JOB_OF.match(spec.get("path", ""))
    return {
        "name": name,
        "version": version,
        **({"number": spec["version"]} if spec.get("label") else {}),  # as MLflow has it
        "id": model_id(resource["workspace"], name, version),
        "resourceGroup": RESOURCE_GROUP,
        **({"job_name": job_name[1]} if job_name else {}),
        "type": spec.get("type", "mlflow_model"),
        "status": resource["status"],
        "path": spec.get("path") or spec.get("source", ""),
        "description": state.get("description") or "",
        "tags": state.get("tags", {}),
        "properties": spec.get("properties", {}),
        "flavors": spec.get("flavors", {}),
        "stage": state.get("stage", "None"),
        **{name: spec[name] for name in facts if spec.get(name)},
    }


def job(resource: Shape) -> Shape:
    state = resource["state"]
    spec = state.get("spec") or {}
    return {
        "name": resource["name"],
        "type": "command",
        "status": resource["status"],
        "display_name": spec.get("display_name") or resource["name"],
        "experiment_name": spec.get("experiment", "Default"),
        "description": spec.get("description", ""),
        "compute": f"azureml:{spec.get('compute', 'local')}",
        "command": spec.get("command", ""),
        "code": spec.get("code_path", ""),
        "environment": environment_of(spec),
        "environment_variables": spec.get("environment_variables", {}),
        **({"secret_variables": spec["sealed"]["macs"]} if spec.get("sealed") else {}),
        "inputs": {name: input_of(given) for name, given in spec.get("inputs", {}).items()},
        "outputs": outputs_of(spec, state),
        **left_out_of(state),
        "resources": {"instance_count": spec.get("instance_count", 1)},
        **({"identity": {"type": spec["identity"]}} if spec.get("identity") else {}),
        **({"submitted_via": state["via"]} if state.get("via") else {}),
        **({"network": spec["network"]} if spec.get("network") else {}),
        "limits": {"timeout": spec["timeout_seconds"]} if spec.get("timeout_seconds") else {},
        "tags": spec.get("tags", {}),
        **notes_of(spec, state),
        "archived": resource.get("archived", False),
        "properties": properties(spec, state),
    }


SHAPES: dict[str, Callable[[Shape], Shape]] = {
    "job": job, "environment": environment, "model": model, "workspace": workspace, "compute": compute,
}  # fmt: skip


def environment_of(spec: Shape) -> Any:
    """The reference that was written, or what the environment is made of."""
    environment = spec.get("environment") or {}
    source = str(environment.get("source", ""))
    return source if source.startswith("azureml:") else environment


def input_of(given: Shape) -> Any:
    if "value" in given:
        return given.get("written") or given["value"]
    return {"mode": "ro_mount", **given}


def outputs_of(spec: Shape, state: Shape) -> Shape:
    """Every output that was asked for, with its content when there is some, and ``default``: ``./outputs``."""
    asked = {name: {"type": "uri_folder", "mode": "rw_mount", **one} for name, one in spec.get("outputs", {}).items()}
    made = state.get("outputs", {})
    default = {"default": {"type": "uri_folder", "mode": "rw_mount"}}
    done = {name: registration(one) for name, one in state.get("registered", {}).items()}
    return {name: {**one, **made.get(name, {}), **done.get(name, {})} for name, one in {**default, **asked}.items()}


def left_out_of(state: Shape) -> Shape:
    """The files that could not be stored, and how many there are where not all are named."""
    named, count = state.get("left_out", ()), state.get("left_out_count", 0)
    return {**({"left_out": list(named)} if named else {}), **({"left_out_count": count} if count else {})}


def notes_of(spec: Shape, state: Shape) -> Shape:
    """What is not as it was asked for: said when the job was submitted, and of its outputs when it had completed."""
    failed = {name: one for name, one in state.get("registered", {}).items() if one.get("code")}
    later = [f"outputs.{name} is not registered: {registration_error(one)}" for name, one in failed.items()]
    notes = [*spec.get("notes", ()), *later]
    return {"notes": notes} if notes else {}


def registration(one: Shape) -> Shape:
    """What an output with a name became."""
    if one.get("code"):
        return {"registration_error": registration_error(one)}
    return {"registered": f"azureml:{one['model']}:{one['version']}"}


def registration_error(one: Shape) -> str:
    return f"{one['message']} ({one['code']})"


def properties(spec: Shape, state: Shape) -> Shape:
    """What the run was like: attempt, node, why it failed, its logs and the commit of its code."""
    named = {"code": "error_code", "message": "error_message"}
    facts = ("attempt", "node", "sandbox", "exit_code", "code", "message", "seconds", "logs")
    known = {named.get(name, name): state[name] for name in facts if state.get(name) not in (None, "")}
    git = {f"azureml.git.{name}": value for name, value in spec.get("git", {}).items()}
    return {**known, "code_digest": spec.get("code", ""), **git}


def duration_seconds(resource: Shape) -> float | None:
    """From the first Running to the end; None before it ran or while it does."""
    timeline = resource["timeline"]
    began = next((since for status, since in timeline if status == "Running"), "")
    ended = next((since for status, since in timeline if status in TERMINAL), "")
    return between_seconds(began, ended)


def failure(resource: Shape) -> str:
    """Why a job did not complete, in one line; "" when it did."""
    state = resource["state"]
    match resource["status"]:
        case "Completed":
            return ""
        case "Canceled":
            return "it was canceled"
        case _:
            return f"{state.get('message') or 'it failed'} ({state.get('code') or resource['status']})"
