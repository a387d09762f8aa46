"""In which workspace an MLflow request is carried out, and what a job's token lets its script do there."""

from __future__ import annotations

from treering_services.gateway.call import Call
from treering_services.gateway.mlflow.errors import FORBIDDEN, MlflowError

MAIN = "main"
OWNER_AND_JOB = frozenset({"owner", "job"})  # the policy of nearly every line


def workspace_of(call: Call) -> str:
    """MLflow's API knows no workspaces: the tracking URI names one (see ``mount``), or the caller's token; the owner
    who names none works in ``main``. That a token is good for the workspace of the URI was checked before."""
    return call.params.get("ws") or call.caller.workspace or MAIN


def check_writes_run(call: Call, run_id: str, created_by: str = "") -> None:
    """A job's token is good for its own run, and for the runs its script made (nested ones, say)."""
    caller = call.caller
    if caller.policy == "job" and run_id != caller.name and created_by != caller.actor:
        raise MlflowError(FORBIDDEN, f"this token writes to the run of job {caller.name!r} only")
