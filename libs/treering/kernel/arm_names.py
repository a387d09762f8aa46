"""Names that Azure's tools expect of every resource, and that are the same for all of an installation."""

from __future__ import annotations

SUBSCRIPTION, RESOURCE_GROUP, LOCATION = "00000000-0000-0000-0000-000000000000", "treering", "local"
PROVIDER = "Microsoft.MachineLearningServices"


def workspace_id(name: str) -> str:
    return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}/providers/{PROVIDER}/workspaces/{name}"


def compute_id(workspace: str, name: str) -> str:
    return f"{workspace_id(workspace)}/computes/{name}"
