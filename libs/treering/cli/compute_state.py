"""Whether a compute target is there, and the command that makes one again that was deleted."""

from __future__ import annotations

from treering.cli.job_wait import LOCAL, Resource
from treering.kernel.refusal import Refused


def check_there(compute: Resource) -> None:
    """As with az, a target that was deleted is none: scripts ask ``compute show`` whether to create it."""
    if compute["status"] == "deleted":
        name = compute["name"]
        why = f"compute {name!r} was deleted at {compute['changed_at']}"
        how = f"`{again(compute)}` makes it again, `treering show compute/{name}` shows its record"
        raise Refused("compute.deleted", f"{why}; {how}")


def is_alias(compute: Resource) -> bool:
    return bool(compute["state"].get("alias_of"))


def again(compute: Resource) -> str:
    """The command that makes a deleted target as it was."""
    name, state = compute["name"], compute["state"]
    if is_alias(compute):
        return f"treering compute alias {name} {state['alias_of']}"
    most = f" --max-instances {state['nodes_max']}" if "nodes_max" in state else ""
    of_type = " -t local" if state.get("compute_type") == LOCAL else ""
    return f"treering compute create -n {name}{of_type}{most}"
