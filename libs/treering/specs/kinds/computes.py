"""``compute/amlcompute`` and ``compute/computeinstance``."""

from __future__ import annotations

from treering.specs.checks import Check, anything, boolean, filled, integer, join, matching, one_of, secret, text
from treering.specs.kinds.parts import READ_ONLY
from treering.specs.kinds.triggers import trigger
from treering.specs.nodes import MapNode, Node, Report, Scalar
from treering.specs.shapes import list_of, made_of, map_of, record

SSH: dict[str, Check] = {
    "admin_username": text,
    "admin_password": secret,
    "ssh_key_value": text,
    "ssh_port": anything,
}
COMPUTE: dict[str, Check] = {
    **READ_ONLY,
    "name": matching(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,254}", "use letters, digits, '-', '_' and '.'"),
    "type": text,
    "location": text,
    "description": text,
    "resource_id": text,
    "created_on": anything,
    "provisioning_errors": anything,
    "tags": map_of(text),
    "size": filled,
    "network_settings": record(
        {"vnet_name": text, "subnet": text, "private_ip_address": anything, "public_ip_address": anything}
    ),
    "ssh_settings": record(SSH),
    "ssh_public_access_enabled": boolean,
    "enable_node_public_ip": boolean,
    "identity": record(
        {
            "type": one_of("system_assigned", "user_assigned", "none", "system_assigned,user_assigned"),
            "user_assigned_identities": list_of(record({"resource_id": text})),
        },
        required=("type",),
    ),
}
CLUSTER: dict[str, Check] = {
    **COMPUTE,
    "type": one_of("amlcompute"),
    "ssh_settings": record(SSH, required=("admin_username",)),
    "tier": one_of("dedicated", "low_priority", camel=False),
    "min_instances": integer(0),
    "max_instances": integer(0),
    "idle_time_before_scale_down": integer(0),
}
start_or_stop = record(
    {"trigger": trigger, "action": one_of("start", "stop"), "state": one_of("enabled", "disabled")},
    required=("action",),
)
script = record({"path": text, "command": text, "timeout_minutes": integer(1)})
INSTANCE: dict[str, Check] = {
    **COMPUTE,
    **dict.fromkeys(("last_operation", "os_image_metadata", "services", "state"), anything),
    "type": one_of("computeinstance"),
    "create_on_behalf_of": record({"user_tenant_id": text, "user_object_id": text}),
    "schedules": record({"compute_start_stop": list_of(start_or_stop)}),
    "idle_time_before_shutdown": text,
    "idle_time_before_shutdown_minutes": integer(1),
    "custom_applications": list_of(map_of(anything)),
    "setup_scripts": record({"creation_script": script, "startup_script": script}),
    "enable_sso": boolean,
    "enable_root_access": boolean,
    "release_quota_on_stop": boolean,
    "enable_os_patching": boolean,
}
instance = record(INSTANCE, required=("name", "type"))


named_cluster = record(CLUSTER, required=("name", "type"))


@made_of(named_cluster)
def cluster(node: Node, key: str, report: Report) -> None:
    """A cluster whose minimum is not above its maximum."""
    named_cluster(node, key, report)
    if not isinstance(node, MapNode):
        return
    low, high = node.entries.get("min_instances"), node.entries.get("max_instances")
    if not isinstance(low, Scalar) or not isinstance(high, Scalar):
        return
    if isinstance(low.value, int) and isinstance(high.value, int) and low.value > high.value:
        message = f"{high.value} is less than min_instances, {low.value}"
        report.add(high.at, join(key, "max_instances"), message)
