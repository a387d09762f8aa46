"""Online deployments (managed, Kubernetes), batch deployments of a model (flat, settings) or a pipeline.

``name`` and ``endpoint_name`` may be missing: the command line gives them.
"""

from __future__ import annotations

from treering.specs.checks import (
    Check,
    anything,
    boolean,
    filled,
    integer,
    number,
    one_of,
    reference,
    text,
)
from treering.specs.kinds.assets import inline_model
from treering.specs.kinds.environments import environment
from treering.specs.kinds.parts import READ_ONLY, any_tags, asset_reference, environment_variables, resources
from treering.specs.kinds.pipelines import component_file
from treering.specs.shapes import list_of, map_of, record, shaped, tagged

DEPLOYMENT: dict[str, Check] = {
    **READ_ONLY,
    "type": text,
    "name": filled,
    "endpoint_name": filled,
    "description": text,
    "tags": any_tags,
    "properties": map_of(shaped(scalar=anything)),
    "model": shaped(scalar=asset_reference, mapping=inline_model),
    "code_configuration": record({"code": reference("local", "asset", "arm"), "scoring_script": filled}),
    "environment": environment,
    "environment_variables": environment_variables,
}
probe = record(
    {
        "period": integer(1),
        "initial_delay": integer(0),
        "timeout": integer(1),
        "success_threshold": integer(1),
        "failure_threshold": integer(1),
    }
)
data_collector = record(
    {
        "collections": map_of(
            record(
                {"enabled": boolean, "data": shaped(scalar=text, mapping=map_of(anything)), "client_id": text},
                required=("enabled",),
            )
        ),
        "rolling_rate": one_of("minute", "hour", "day"),
        "sampling_rate": number(0, 1),
        "request_logging": record({"capture_headers": list_of(text)}),
    }
)
ONLINE: dict[str, Check] = {
    **DEPLOYMENT,
    "app_insights_enabled": boolean,
    "scale_settings": tagged(
        "type",
        {
            "default": record({"type": text}),
            "target_utilization": record(
                {
                    "type": text,
                    "polling_interval": integer(1),
                    "target_utilization_percentage": integer(1, 100),
                    "min_instances": integer(0),
                    "max_instances": integer(1),
                }
            ),
        },
    ),
    "request_settings": record(
        {
            "request_timeout_ms": integer(1),
            "max_concurrent_requests_per_instance": integer(1),
            "max_queue_wait_ms": integer(0),
        }
    ),
    "liveness_probe": probe,
    "readiness_probe": probe,
    "instance_count": integer(1),
    "instance_type": filled,
    "model_mount_path": text,
    "data_collector": data_collector,
}
MANAGED: dict[str, Check] = {
    **ONLINE,
    "egress_public_network_access": one_of("enabled", "disabled"),
    "private_network_connection": anything,
}
quantities = record({"cpu": text, "memory": text, "gpu": text})
KUBERNETES: dict[str, Check] = {**ONLINE, "resources": record({"requests": quantities, "limits": quantities})}
managed = record(MANAGED, required=("instance_type",))
kubernetes = record(KUBERNETES)

RUN: dict[str, Check] = {
    "error_threshold": integer(-1),
    "retry_settings": record({"max_retries": integer(0), "timeout": integer(1)}),
    "mini_batch_size": integer(1),
    "logging_level": one_of("debug", "info", "warning"),
    "output_action": one_of("append_row", "summary_only"),
    "output_file_name": filled,
    "max_concurrency_per_instance": integer(1),
}
SETTINGS: dict[str, Check] = {
    **RUN,
    "instance_count": integer(1),
    "environment_variables": environment_variables,
}
MODEL: dict[str, Check] = {
    **DEPLOYMENT,
    "compute": filled,
    "error_threshold": integer(-1),
    "resources": resources,
}
batch_flat = record({**MODEL, **RUN})
batch_model = record(
    {
        **MODEL,
        "settings": record(SETTINGS),
    },
    required=("compute", "settings"),
)
job_reference = reference("asset", "arm", "registry")
batch_pipeline = record(
    {
        **READ_ONLY,
        "type": one_of("pipeline"),
        "name": filled,
        "endpoint_name": filled,
        "description": text,
        "tags": any_tags,
        "component": shaped(scalar=component_file),
        "job_definition": shaped(scalar=job_reference, mapping=map_of(anything)),
        "settings": map_of(shaped(scalar=anything)),
    }
)
