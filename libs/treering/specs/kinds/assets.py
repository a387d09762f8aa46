"""``data``, ``model`` and ``datastore``."""

from __future__ import annotations

from treering.specs.checks import Check, anything, filled, one_of, secret, text
from treering.specs.kinds.data import data_path
from treering.specs.kinds.parts import ASSET_HEAD, READ_ONLY, tags, without
from treering.specs.nodes import MapNode, Node, Report
from treering.specs.shapes import list_of, map_of, record, tagged

DATA: dict[str, Check] = {
    **without(ASSET_HEAD, "stage"),
    "type": one_of("uri_file", "uri_folder", "mltable", exact=True),
    "path": data_path,
}
MODEL: dict[str, Check] = {
    **without(ASSET_HEAD, "auto_delete_setting"),
    "type": one_of("custom_model", "mlflow_model", "triton_model", camel=False),
    "path": data_path,
    "flavors": map_of(anything),
    "intellectual_property": anything,
    "job_name": anything,
    "utc_time_created": anything,
    "system_metadata": map_of(anything),
    "default_deployment_template": record({"asset_id": text}),
    "allowed_deployment_templates": list_of(record({"asset_id": text})),
}
data = record(DATA, required=("path",))
model = record(MODEL, required=("name",))
inline_model = record(MODEL)

STORE: dict[str, Check] = {
    **READ_ONLY,
    "name": filled,
    "type": text,
    "description": text,
    "tags": tags,
}
PRINCIPAL: dict[str, Check] = dict.fromkeys(("authority_url", "resource_url", "tenant_id", "client_id"), text)
key_or_token = record({"account_key": secret, "sas_token": secret})
principal = record(
    {**PRINCIPAL, "client_secret": secret, "certificate": secret, "thumbprint": text},
    required=("tenant_id", "client_id"),
)


def principal_or_none(node: Node, key: str, report: Report) -> None:
    """A service principal with a secret or a certificate; an empty mapping: the identity of who reads."""
    if not isinstance(node, MapNode) or node.entries:
        principal(node, key, report)


ACCOUNT: dict[str, Check] = {**STORE, "account_name": filled, "endpoint": text, "protocol": text}
KINDS: dict[str, Check] = {
    "azure_blob": record(
        {**ACCOUNT, "container_name": filled, "credentials": key_or_token},
        required=("name", "type", "account_name", "container_name"),
    ),
    "azure_file": record(
        {**ACCOUNT, "file_share_name": filled, "credentials": key_or_token},
        required=("name", "type", "account_name", "file_share_name"),
    ),
    "azure_data_lake_gen1": record(
        {**STORE, "store_name": filled, "credentials": principal_or_none},
        required=("name", "type", "store_name"),
    ),
    "azure_data_lake_gen2": record(
        {**ACCOUNT, "filesystem": filled, "credentials": principal_or_none},
        required=("name", "type", "account_name", "filesystem"),
    ),
}


def datastore(node: Node, key: str, report: Report) -> None:
    tagged("type", KINDS)(node, key, report)
