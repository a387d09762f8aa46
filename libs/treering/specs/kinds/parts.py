"""Fields that many kinds share."""

from __future__ import annotations

import re

from treering.specs.checks import (
    Check,
    anything,
    filled,
    folded,
    integer,
    matching,
    one_of,
    reference,
    scalar,
    text,
    version,
)
from treering.specs.nodes import MapNode, Node, Report
from treering.specs.shapes import list_of, map_of, nullable, record, shaped, tagged

IDENTIFIERS = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*")
IDENTIFIER_WORDS = "use letters, digits, '_', '-' and '.', starting with a letter or '_'"

# What the server writes back. Such fields are read over, so that the output of a ``show`` can be submitted.
READ_ONLY: dict[str, Check] = {
    "$schema": anything,
    "id": anything,
    "creation_context": anything,
    "provisioning_state": anything,
    "status": anything,
    "log_files": anything,
    "latest_version": anything,
}
tags = map_of(nullable(text))
any_tags = map_of(anything)  # of kinds whose tags Azure ML does not judge

SERVICE: dict[str, Check] = {
    "type": text,
    "port": integer(0, 65535),
    "nodes": one_of("all", exact=True),
    "endpoint": anything,
    "status": anything,
    "error_message": anything,
    "properties": map_of(anything),
}
OWN = {"tensor_board": {"log_dir": text}, "ssh": {"ssh_public_keys": text}}


def service(node: Node, key: str, report: Report) -> None:
    """A service of any type; some types have a key of their own."""
    said = folded(node.text("type")) if isinstance(node, MapNode) else ""
    own = OWN.get(said, {}) if said else {"log_dir": text, "ssh_public_keys": text}
    record({**SERVICE, **own})(node, key, report)


managed_identity = record({"type": text, "client_id": text, "object_id": text, "msi_resource_id": text})
JOB_HEAD: dict[str, Check] = {
    **READ_ONLY,
    "name": text,
    "description": text,
    "display_name": text,
    "experiment_name": text,
    "tags": tags,
    "properties": map_of(nullable(text)),
    "services": map_of(service),
    "compute": filled,
    "identity": tagged(
        "type",
        {
            "managed": managed_identity,
            "managed_identity": managed_identity,
            "aml_token": record({"type": text}),
            "user_identity": record({"type": text}),
        },
    ),
}
ASSET_HEAD: dict[str, Check] = {
    **READ_ONLY,
    "name": filled,
    "version": version,
    "description": text,
    "tags": any_tags,
    "properties": map_of(nullable(scalar)),
    "datastore": text,
    "stage": text,
    "auto_delete_setting": anything,
}


def without(fields: dict[str, Check], *names: str) -> dict[str, Check]:
    return {name: check for name, check in fields.items() if name not in names}


RESOURCES: dict[str, Check] = {
    "instance_count": integer(1),
    "max_instance_count": integer(1),
    "instance_type": text,
    "locations": list_of(text),
    "properties": map_of(anything),
    "shm_size": matching(r"\d+(\.\d+)? ?[bkmgBKMG][bB]?", "write a number and one of b, k, m, g, such as 2g"),
    "docker_args": shaped(scalar=text, items=list_of(text)),
}
resources = record(RESOURCES)
queue_settings = record(
    {
        "job_tier": one_of("spot", "basic", "standard", "premium", "null"),
        "priority": one_of("low", "medium", "high"),
    }
)
environment_variables = map_of(nullable(scalar))
asset_reference = reference("asset", "arm", "registry")
