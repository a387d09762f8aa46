"""Which kind of resource a YAML describes: ``$schema`` says it, or else its ``type`` and its keys do.

Azure ML never reads the ``$schema`` of a job, and people copy it from another one: the ``type`` and keys decide there.
"""

from __future__ import annotations

from treering.specs.nodes import MapNode

# The last part of ``$schema``, in lower case, without ``.schema.json``.
SCHEMAS = {
    "commandjob": "job/command",
    "pipelinejob": "job/pipeline",
    "sweepjob": "job/sweep",
    "commandcomponent": "component/command",
    "pipelinecomponent": "component/pipeline",
    "data": "data",
    "azureblob": "datastore/azure_blob",
    "azurefile": "datastore/azure_file",
    "azuredatalakegen1": "datastore/azure_data_lake_gen1",
    "azuredatalakegen2": "datastore/azure_data_lake_gen2",
    "model": "model",
    "environment": "environment",
    "amlcompute": "compute/amlcompute",
    "computeinstance": "compute/computeinstance",
    "managedonlineendpoint": "online_endpoint/managed",
    "kubernetesonlineendpoint": "online_endpoint/kubernetes",
    "batchendpoint": "batch_endpoint",
    "managedonlinedeployment": "online_deployment/managed",
    "kubernetesonlinedeployment": "online_deployment/kubernetes",
    "batchdeployment": "batch_deployment",
    "modelbatchdeployment": "batch_deployment",
    "pipelinecomponentbatchdeployment": "batch_deployment/pipeline",
    "schedule": "schedule/job",
    "workspace": "workspace",
    # Those that treering does not read, but calls by their name.
    "kubernetescompute": "compute/kubernetes",
    "virtualmachinecompute": "compute/virtualmachine",
    "vmcompute": "compute/virtualmachine",
    "synapsesparkcompute": "compute/synapsespark",
    "workspaceconnection": "connection",
    "registry": "registry",
    "featurestore": "feature_store",
    "featureset": "feature_set",
    "featurestoreentity": "feature_store_entity",
    "importschedule": "schedule/import",
    "monitorschedule": "schedule/monitor",
}
JOB_TYPES = {"command": "job/command", "pipeline": "job/pipeline", "sweep": "job/sweep"}
TYPES = {
    "pipeline": "job/pipeline",
    "sweep": "job/sweep",
    "uri_file": "data",
    "uri_folder": "data",
    "mltable": "data",
    "custom_model": "model",
    "mlflow_model": "model",
    "triton_model": "model",
    "azure_blob": "datastore/azure_blob",
    "azure_file": "datastore/azure_file",
    "azure_data_lake_gen1": "datastore/azure_data_lake_gen1",
    "azure_data_lake_gen2": "datastore/azure_data_lake_gen2",
    "amlcompute": "compute/amlcompute",
    "computeinstance": "compute/computeinstance",
    "kubernetes": "compute/kubernetes",
    "virtualmachine": "compute/virtualmachine",
    "synapsespark": "compute/synapsespark",
    "feature_store": "feature_store",
    **dict.fromkeys(("azure_open_ai", "azure_ai_services", "azure_sql_db", "azure_synapse_analytics"), "connection"),
    **dict.fromkeys(("container_registry", "custom", "git", "python_feed", "s3", "snowflake"), "connection"),
}
# Keys that, without a ``$schema`` and a telling ``type``, only this kind has; the first that fits is taken.
KEYS = (
    ({"trigger", "create_job"}, "schedule/job"),
    ({"instance_type"}, "online_deployment/managed"),
    ({"endpoint_name"}, "online_deployment/managed"),
    ({"defaults", "name"}, "batch_endpoint"),
    ({"auth_mode", "compute"}, "online_endpoint/kubernetes"),
    ({"traffic"}, "online_endpoint/managed"),
    ({"auth_mode"}, "online_endpoint/managed"),
    ({"jobs"}, "job/pipeline"),
    ({"command"}, "job/command"),
    ({"managed_network"}, "workspace"),
    ({"identity", "public_network_access"}, "workspace"),
    ({"image"}, "environment"),
    ({"conda_file"}, "environment"),
    ({"build"}, "environment"),
    ({"python"}, "environment"),
    ({"requirements"}, "environment"),
    ({"name", "path"}, "model"),  # or data: neither needs its type
)
# Jobs that treering does not read, and keys that only jobs have.
JOBS_UNREAD = {"automl", "spark", "parallel", "finetuning", "distillation", "import", "data_transfer", "base"}
KEYS_OF_JOBS = {"experiment_name", "jobs", "command", "trial", "task", "entry", "training_data"}
BATCH_KEYS = {"mini_batch_size", "output_action", "job_definition", "retry_settings"}
COMPONENT_KEYS = {"version", "is_deterministic", "additional_includes"}
SCHEDULED = {"create_monitor", "import_data"}  # which are not read here
JOB_KEYS = {"compute", "experiment_name"}  # which no component has
DECLARED_KEYS = {"optional", "default", "description"}
VALUE_KEYS = {"path", "value"}


def kind_of(root: MapNode) -> str:
    """The kind, one of ``kinds.KINDS``; another word for what treering does not read; "" when unclear."""
    schema = root.text("$schema").rstrip("/").rsplit("/", 1)[-1].lower()
    found = SCHEMAS.get(schema.removesuffix(".json").removesuffix(".schema"), "")
    return narrowed(as_job(found, root) or from_keys(root), root)


def as_job(found: str, root: MapNode) -> str:
    """What ``$schema`` says, unless the type and the keys are those of another kind of job."""
    keys, said = root.entries.keys(), root.text("type")
    if found.startswith("job/"):
        is_command = not said and "command" in keys and not {"jobs", "trial"} & keys
        return "job/command" if is_command else JOB_TYPES.get(said, found)
    is_other = bool(found) and not (found.startswith("component/") and (not JOB_KEYS & keys or is_component(root)))
    is_command = said in ("", "command") and {"command", "environment"} <= keys
    return "job/command" if is_other and is_command else found


def from_keys(root: MapNode) -> str:
    said = root.text("type").lower()
    if said == "kubernetes" and "endpoint_name" in root.entries:
        return "online_deployment/kubernetes"
    if said == "model" or BATCH_KEYS & root.entries.keys() or (said == "pipeline" and "endpoint_name" in root.entries):
        return "batch_deployment"
    if said in ("command", "pipeline", "") and {"command", "jobs"} & root.entries.keys() and is_component(root):
        return f"component/{said or 'command'}"
    if said == "kubernetes" and "auth_mode" in root.entries:
        return "online_endpoint/kubernetes"
    if said in TYPES:
        return TYPES[said]
    if said and said not in ("command", "managed"):
        return f"job/{said}" if said in JOBS_UNREAD or KEYS_OF_JOBS & root.entries.keys() else said
    otherwise = "job/command" if said == "command" else ""  # without a command, which it is told
    return next((kind for keys, kind in KEYS if keys <= root.entries.keys()), otherwise)


def is_component(root: MapNode) -> bool:
    """Whether a command or pipeline declares what it takes, instead of giving it values."""
    if COMPONENT_KEYS & root.entries.keys():
        return True
    inputs = [one for one in root.map("inputs").entries.values() if isinstance(one, MapNode)]
    outputs = [one for one in root.map("outputs").entries.values() if isinstance(one, MapNode)]
    if any(DECLARED_KEYS & one.entries.keys() for one in (*inputs, *outputs)):
        return True
    return "name" in root.entries and any(not VALUE_KEYS & one.entries.keys() for one in inputs)


def narrowed(kind: str, root: MapNode) -> str:
    """The kind with what its own keys add to it."""
    said = root.text("type").lower()
    if kind == "schedule/job" and (what := SCHEDULED & root.entries.keys()):
        return f"schedule/{what.pop()}"
    if kind == "data" and "source" in root.entries:
        return "data_import"
    if kind == "data":
        return f"data/{said or 'uri_folder'}"
    if kind == "model":
        return f"model/{said or 'custom_model'}"
    if kind == "batch_deployment":
        return {"pipeline": "batch_deployment/pipeline", "model": "batch_deployment/model_settings"}.get(
            said, "batch_deployment/model_flat"
        )
    if kind == "workspace" and ("name" not in root.entries or "$schema" not in root.entries):
        return "workspace/partial"
    return kind
