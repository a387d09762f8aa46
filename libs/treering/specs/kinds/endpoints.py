"""Online endpoints (managed, Kubernetes) and batch endpoints."""

from __future__ import annotations

import re

from treering.specs.checks import Check, anything, filled, integer, join, matching, one_of, text
from treering.specs.kinds.parts import READ_ONLY, any_tags
from treering.specs.nodes import MapNode, Node, Report, Scalar
from treering.specs.shapes import list_of, map_of, record

NAME = r"[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?"
endpoint_name = matching(NAME, "use letters, digits and '-', starting with a letter and not ending with '-'")
shares = map_of(integer(0, 100), re.compile(r"[A-Za-z0-9][A-Za-z0-9\-_]*"), "a deployment's name is needed")
ENDPOINT: dict[str, Check] = {
    **READ_ONLY,
    "name": endpoint_name,
    "description": text,
    "tags": any_tags,
    "properties": map_of(anything),
    "auth_mode": one_of("key", "aml_token", "aad_token"),
    "scoring_uri": text,
    "openapi_uri": text,
    "location": text,
    "kind": anything,
    "identity": record(
        {
            "type": one_of("system_assigned", "user_assigned", "none"),
            "principal_id": text,
            "tenant_id": text,
            "user_assigned_identities": list_of(map_of(text)),
        },
        required=("type",),
    ),
    "type": text,
}
ONLINE: dict[str, Check] = {
    **ENDPOINT,
    "traffic": shares,
    "mirror_traffic": shares,
    "public_network_access": one_of("enabled", "disabled"),
    "compute": filled,
}
BATCH: dict[str, Check] = {**ENDPOINT, "defaults": record({"deployment_name": filled})}


def online(node: Node, key: str, report: Report) -> None:
    """Traffic adds up to 0 or 100, mirrored traffic to at most 50 and to one deployment."""
    record(ONLINE, required=("name",))(node, key, report)
    if not isinstance(node, MapNode):
        return
    shared = total(node.map("traffic"))
    if shared not in (0, 100):
        report.add(node.places["traffic"], join(key, "traffic"), f"adds up to {shared}, not to 0 or 100")
    mirrored = node.map("mirror_traffic")
    if total(mirrored) > 50 or len(mirrored.entries) > 1:
        message = "mirrors at most 50 percent to one deployment"
        report.add(node.places["mirror_traffic"], join(key, "mirror_traffic"), message)


def total(traffic: MapNode) -> int:
    values = [one.value for one in traffic.entries.values() if isinstance(one, Scalar)]
    return sum(value for value in values if isinstance(value, int))


batch = record(BATCH, required=("name",))
