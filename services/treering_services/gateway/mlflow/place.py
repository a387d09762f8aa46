"""In which workspace an MLflow request is carried out."""

from __future__ import annotations

from treering_services.gateway.call import Call

MAIN = "main"


def workspace_of(call: Call) -> str:
    """MLflow's API knows no workspaces: the tracking URI names one (see ``mount``), or the caller's token; the owner
    who names none works in ``main``. That a token is good for the workspace of the URI was checked before."""
    return call.params.get("ws") or call.caller.workspace or MAIN
