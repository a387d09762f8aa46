"""Every kind of YAML treering reads, and the rules for each."""

from __future__ import annotations

from treering.specs.checks import Check
from treering.specs.kinds import (
    assets,
    commands,
    components,
    computes,
    deployments,
    endpoints,
    environments,
    pipelines,
    schedules,
    sweeps,
    workspaces,
)

KINDS: dict[str, Check] = {
    "job/command": commands.job,
    "job/pipeline": pipelines.job,
    "job/sweep": sweeps.job,
    "component/command": components.command,
    "component/pipeline": pipelines.pipeline_component,
    "data/uri_file": assets.data,
    "data/uri_folder": assets.data,
    "data/mltable": assets.data,
    "datastore/azure_blob": assets.datastore,
    "datastore/azure_file": assets.datastore,
    "datastore/azure_data_lake_gen1": assets.datastore,
    "datastore/azure_data_lake_gen2": assets.datastore,
    "model/custom_model": assets.model,
    "model/mlflow_model": assets.model,
    "model/triton_model": assets.model,
    "environment": environments.resource,
    "compute/amlcompute": computes.cluster,
    "compute/computeinstance": computes.instance,
    "online_endpoint/managed": endpoints.online,
    "online_endpoint/kubernetes": endpoints.online,
    "batch_endpoint": endpoints.batch,
    "online_deployment/managed": deployments.managed,
    "online_deployment/kubernetes": deployments.kubernetes,
    "batch_deployment/model_settings": deployments.batch_model,
    "batch_deployment/model_flat": deployments.batch_flat,
    "batch_deployment/pipeline": deployments.batch_pipeline,
    "schedule/job": schedules.schedule,
    "workspace": workspaces.full,
    "workspace/partial": workspaces.partial,
}
