"""MLflow's API of one workspace, below ``/w/<workspace>``.

MLflow's clients cannot name a workspace, but they keep the path of their tracking URI before everything they ask for,
artifacts too. So ``http://host:port/w/lab`` is all of MLflow's API, and nothing else, of the workspace ``lab``.
"""

from __future__ import annotations

from starlette.types import Scope

from treering.kernel.subjects import NAME

PREFIX = "/w/"
WORKSPACE = "treering.workspace"  # in the scope of a request that names one so


def mounted(scope: Scope) -> Scope | None:
    """The request as it would be without the prefix, with its workspace beside it; None for any other."""
    path: str = scope["path"]
    if not path.startswith(PREFIX):
        return None
    workspace, slash, rest = path.removeprefix(PREFIX).partition("/")
    if not slash or not NAME.fullmatch(workspace):
        return None
    # A tracking URI may end in a slash, and what the client appends begins with one.
    return {**scope, "path": "/" + rest.lstrip("/"), WORKSPACE: workspace}


def prefix_of(scope: Scope) -> str:
    """What a client has to put before a path to stay in the workspace it named; "" when it named none."""
    return f"{PREFIX}{scope[WORKSPACE]}" if WORKSPACE in scope else ""
