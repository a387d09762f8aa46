"""``workspace``, whole or partial: a part of one (its network, its identity) is what an update carries."""

from __future__ import annotations

from treering.specs.checks import Check, anything, boolean, filled, one_of, text
from treering.specs.kinds.parts import READ_ONLY, tags
from treering.specs.shapes import list_of, map_of, nullable, record, shaped, tagged

RULE: dict[str, Check] = {**READ_ONLY, "name": filled, "type": text, "category": text}
ENDPOINT_RULE: dict[str, Check] = {
    **RULE,
    "destination": record(
        {"service_resource_id": filled, "subresource_target": filled, "spark_enabled": boolean},
        required=("service_resource_id",),
    ),
    "fqdns": list_of(text),
}
outbound_rule = tagged(
    "type",
    {
        "private_endpoint": record(ENDPOINT_RULE, required=("name", "destination")),
        "service_tag": record({**RULE, "destination": map_of(anything)}, required=("name", "destination")),
        "fqdn": record({**RULE, "destination": filled}, required=("name", "destination")),
    },
)
managed_network = record(
    {
        "isolation_mode": one_of("disabled", "allow_internet_outbound", "allow_only_approved_outbound"),
        "outbound_rules": nullable(list_of(outbound_rule)),
        "firewall_sku": text,
        "network_id": text,
        "status": anything,
    }
)
WORKSPACE: dict[str, Check] = {
    **READ_ONLY,
    "name": filled,
    "display_name": text,
    "description": text,
    "location": text,
    "resource_group": text,
    "tags": tags,
    "discovery_url": text,
    "mlflow_tracking_uri": text,
    "hbi_workspace": boolean,
    "storage_account": text,
    "container_registry": text,
    "key_vault": text,
    "application_insights": text,
    "customer_managed_key": record(
        dict.fromkeys(("key_vault", "key_uri", "cosmosdb_id", "storage_id", "search_id"), text)
    ),
    "image_build_compute": text,
    "public_network_access": one_of("enabled", "disabled"),
    "network_acls": record(
        {"default_action": filled, "ip_rules": nullable(list_of(record({"value": filled})))},
        required=("default_action",),
    ),
    "system_datastores_auth_mode": text,
    "identity": record(
        {
            "type": one_of("system_assigned", "user_assigned", "none", "system_assigned,user_assigned"),
            "principal_id": text,
            "tenant_id": text,
            "user_assigned_identities": nullable(
                shaped(mapping=map_of(nullable(map_of(text))), items=list_of(map_of(text)))
            ),
        }
    ),
    "primary_user_assigned_identity": text,
    "workspace_hub": text,
    "managed_network": managed_network,
    "provision_network_now": boolean,
    "enable_data_isolation": boolean,
    "allow_roleassignment_on_rg": boolean,
    "serverless_compute": record({"custom_subnet": nullable(text), "no_public_ip": boolean}),
}
full = record(WORKSPACE, required=("name",))
partial = record(WORKSPACE)
