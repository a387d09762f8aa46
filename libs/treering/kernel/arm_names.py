"""Names that Azure's tools expect of every resource, and that are the same for all of an installation."""

from __future__ import annotations

SUBSCRIPTION, RESOURCE_GROUP, LOCATION = "00000000-0000-0000-0000-000000000000", "treering", "local"
PROVIDER = "Microsoft.MachineLearningServices"


def workspace_id(name: str) -> str:
    return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}/providers/{PROVIDER}/workspaces/{name}"


def model_id(workspace: str, name: str, version: str = "") -> str:
    """Of a model or one of its versions, as a reference: ``azureml:/subscriptions/...``."""
    of_model = f"azureml:{workspace_id(workspace)}/models/{name}"
    return f"{of_model}/versions/{version}" if version else of_model


def compute_id(workspace: str, name: str) -> str:
    return f"{workspace_id(workspace)}/computes/{name}"
