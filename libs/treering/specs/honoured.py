"""Which keys of a YAML are carried out, and what is said of those that are accepted and are not.

Every key of the schema of a kind that can be created here stands in one of these tables; a test compares them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass

from treering.specs.checks import folded
from treering.specs.kinds.computes import CLUSTER, INSTANCE
from treering.specs.kinds.workspaces import WORKSPACE
from treering.specs.nodes import ListNode, MapNode, Node, Report, Scalar, text_of
from treering.specs.secret_texts import note_left_out

# What a server says of a resource: read over, so that the output of a ``show`` can be submitted.
READ_OVER = frozenset(
    {"$schema", "id", "creation_context", "provisioning_state", "status", "log_files", "latest_version"}
    | {"parameters", "job_name", "utc_time_created", "created_on", "provisioning_errors", "state", "last_operation"}
)


@dataclass(frozen=True)
class Note:
    """What is said of a key, unless it has one of these words, which are carried out."""

    said: str
    unless: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Table:
    """The keys that are carried out, and the notes on others. In a path ``*`` stands for any name or index."""

    honoured: frozenset[str]
    noted: Mapping[str, Note]

    def note(self, path: tuple[str, ...]) -> Note | None:
        return next((note for pattern, note in self.noted.items() if is_like(path, pattern)), None)


def is_like(path: tuple[str, ...], pattern: str) -> bool:
    words = pattern.split(".")
    return len(words) == len(path) and all(word in ("*", step) for word, step in zip(words, path, strict=True))


def no(said: str, *unless: str) -> Note:
    return Note(said, frozenset(unless))


NO_ASSET = no("is not kept: an environment that is written in a job is installed for it, and not registered")
NO_STORE = no("is not used: the installation keeps its files itself")
NO_LIFETIME = no("is not carried out: nothing is deleted by itself")
SERVER = "is for a server of the model, which there is not yet"
ENVIRONMENT_KEYS = frozenset(
    {"image", "build", "build.path", "build.dockerfile_path", "conda_file", "python", "requirements"}
)
ENVIRONMENT_NOTES = {
    "inference_config": no("is for online endpoints, which there are not yet"),
    "os_type": no("is not carried out: jobs run on Linux", "linux"),
    "datastore": NO_STORE,
    "auto_delete_setting": NO_LIFETIME,
    "intellectual_property": no("is not kept"),
}
INLINE = {**ENVIRONMENT_NOTES, **dict.fromkeys(("name", "version", "description", "tags"), NO_ASSET)}
RESOURCES = {
    "max_instance_count": no("is not carried out: a job runs on one instance"),
    "instance_type": no("is not carried out: a job runs on the machines that have joined its compute target"),
    "locations": no("is not carried out: a job runs on the machines that have joined its compute target"),
    "properties": no("are not carried out"),
    "shm_size": no("is not carried out: jobs run in no container, and have the shared memory of the machine"),
    "docker_args": no("are not carried out: jobs run in no container"),
}
NO_MANAGED = no("is of a managed identity, which there is not here")
JOB = Table(
    frozenset(
        {
            *(
                "command",
                "code",
                "environment",
                "environment_variables",
                "secret_variables",
                "public_variables",
                "compute",
                "limits",
                "limits.timeout",
                "network",
            ),
            *("name", "display_name", "description", "experiment_name", "tags", "type", "inputs", "outputs"),
            *(
                "inputs.*.type",
                "inputs.*.path",
                "inputs.*.value",
                "outputs.*.type",
                "outputs.*.name",
                "outputs.*.version",
            ),
            *("identity", "resources", "resources.instance_count"),
            *(f"environment.{key}" for key in ENVIRONMENT_KEYS),
        }
    ),
    {
        "distribution": no(
            "is not carried out yet; the command runs as one process, without the variables of a launcher"
        ),
        "services": no("are not carried out: nothing but the command is started"),
        "queue_settings": no("is not carried out: jobs start in the order they were submitted in"),
        "properties": no("are not kept; tags are"),
        "parent_job_name": no("is not carried out: the job has no parent"),
        **{f"resources.{key}": note for key, note in RESOURCES.items()},
        **{f"identity.{key}": NO_MANAGED for key in ("client_id", "object_id", "msi_resource_id")},
        "identity.type": no(
            "is not carried out: there are no managed identities here; the job's script has the rights of the job",
            *("aml_token", "user_identity"),
        ),
        "inputs.*.mode": no("is not carried out: the files are laid out as they are", "ro_mount", "download", "direct"),
        "inputs.*.datastore": NO_STORE,
        "inputs.*.path_on_compute": no("is not carried out: use ${{inputs.NAME}}, which is where the data lies"),
        "outputs.*.path": no("is not used: the installation keeps its outputs itself"),
        "outputs.*.mode": no(
            "is not carried out: outputs are stored when the command has ended", *("rw_mount", "mount", "upload")
        ),
        **{f"environment.{key}": note for key, note in INLINE.items()},
    },
)
ENVIRONMENT = Table(
    frozenset({"name", "version", "description", "tags", *ENVIRONMENT_KEYS}),
    ENVIRONMENT_NOTES,
)
MODEL = Table(
    frozenset({"name", "version", "description", "tags", "properties", "path", "type", "flavors"}),
    {
        "datastore": NO_STORE,
        "stage": no("is not set by a file"),
        "system_metadata": no("is not kept"),
        "intellectual_property": no("is not kept"),
        "default_deployment_template": no(SERVER),
        "allowed_deployment_templates": no(SERVER),
    },
)
COMPUTE_KEYS = frozenset({"name", "type", "description", "tags"})
NO_NODE = no("means nothing here: nodes join by themselves, with what their machines have")


def compute(fields: Set[str], honoured: frozenset[str]) -> Table:
    return Table(honoured, dict.fromkeys(sorted(fields - honoured - READ_OVER), NO_NODE))


WORKSPACE_KEYS = frozenset({"name", "display_name", "description", "tags"})
NO_CLOUD = no("is about a cloud, and means nothing here")
WORKSPACE_TABLE = Table(WORKSPACE_KEYS, dict.fromkeys(sorted(WORKSPACE.keys() - WORKSPACE_KEYS - READ_OVER), NO_CLOUD))
TABLES = {
    "job/command": JOB,
    "environment": ENVIRONMENT,
    "compute/amlcompute": compute(CLUSTER.keys(), COMPUTE_KEYS | {"max_instances"}),
    **dict.fromkeys(("workspace", "workspace/partial"), WORKSPACE_TABLE),
    "compute/computeinstance": compute(INSTANCE.keys(), COMPUTE_KEYS),
}


def table_of(kind: str) -> Table | None:
    """The table of a kind that can be created here."""
    return MODEL if kind.startswith("model/") else TABLES.get(kind)


def note_keys(root: MapNode, kind: str, report: Report) -> None:
    """Note every key of the file that is accepted and not carried out, and every text that is not kept whole."""
    table = table_of(kind)
    if table is None:
        return
    note_left_out(root, report)
    for path, node in noted(root, (), table):
        note = table.note(path)
        assert note is not None  # else it would not be among them
        report.note(node.at, ".".join(path), note.said)


def noted(node: Node, path: tuple[str, ...], table: Table) -> Iterator[tuple[tuple[str, ...], Node]]:
    """The values that have a note, and are neither nothing nor what is carried out all the same."""
    note = table.note(path)
    if note is not None:
        if not (isinstance(node, Scalar) and (node.value is None or folded(text_of(node) or "") in note.unless)):
            yield path, node
    elif isinstance(node, MapNode):
        for key, child in node.entries.items():
            yield from noted(child, (*path, key), table)
    elif isinstance(node, ListNode):
        for index, child in enumerate(node.items):
            yield from noted(child, (*path, str(index)), table)
