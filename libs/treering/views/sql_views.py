"""The documented views for ``treering audit sql``: events, resources, durations, and Azure's diagnostic tables.

Azure's tables have the column names of Azure Monitor, so that queries carry over; what has no meaning here is NULL.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from treering.adapters.sql_guard import Guard, Table
from treering.adapters.sqlite_reader import SqliteReaders
from treering.adapters.sqlite_view import Database, SqliteView
from treering.domain.compute import ComputeCreated
from treering.domain.job_spec import JobSpec
from treering.views import usage
from treering.views.audit import INDEX_BITS
from treering.views.versions import OPEN

LIFECYCLE = "lifecycle"  # the schema the lifecycle view's file is attached as
# Names are outside the log and what is computed of it: they come with each question (``SqlReaders.tell``).
PEOPLE = "CREATE TEMP TABLE people (id_of_person TEXT PRIMARY KEY, person TEXT NOT NULL) WITHOUT ROWID"
EVENT_TABLES = ("main.event_rows", "main.groups")


class SqlView(NamedTuple):
    name: str
    help: str
    sql: str
    tables: tuple[str, ...] = ()  # those it reads itself, not through another view


def aml(name: str, help: str, columns: str, kinds: str) -> SqlView:
    """One of Azure's audit tables, which share their first columns."""
    shared = f"""
    SELECT at AS TimeGenerated, '{name}' AS Type, type AS OperationName, actor AS Identity,
      CASE WHEN type LIKE '%.failed' OR type LIKE '%.lost' THEN 'Failed' ELSE 'Succeeded' END AS ResultType,
      'Informational' AS Level, trace AS CorrelationId, workspace AS WorkspaceName, NULL AS AadTenantId,
      {columns} FROM events WHERE {kinds}
    """
    return SqlView(name, help, shared)


def nulls(columns: str) -> str:
    """What Azure has and nothing here has a meaning for."""
    return ", ".join(f"NULL AS {column}" for column in columns.split())


def defaults(struct: type[Struct]) -> dict[str, Any]:
    """Of its fields: what is not said is not in its JSON."""
    return {field.name: field.default for field in msgspec.structs.fields(struct)}


COMPUTE, SPEC = defaults(ComputeCreated), defaults(JobSpec)
EXPERIMENT = f"coalesce(job.parent, data ->> '$.spec.experiment', '{SPEC['experiment']}')"
TARGET = f"coalesce(data ->> '$.spec.compute', job.state ->> '$.spec.compute', '{SPEC['compute']}')"
UNKNOWN_OF_CLUSTERS = """VmSize VmFamilyName VmPriority CoreCount ScalingType InitialNodeCount CurrentNodeCount
    TargetNodeCount RunningNodeCount IdleNodeCount PreparingNodeCount LeavingNodeCount UnusableNodeCount
    PreemptedNodeCount NodeDeallocationOption NodeIdleTimeSecondsBeforeScaleDown AllocationState
    AllocationStateTransitionTime IsResizeGrow QuotaAllocated QuotaUtilized ClusterErrorCodes SubnetId Publisher Offer
    Sku Version"""
NAME = "iif(instr(name, ':'), substr(name, 1, instr(name, ':') - 1), name)"
VERSION = "iif(instr(name, ':'), substr(name, instr(name, ':') + 1), NULL)"

VIEWS = (
    SqlView("events", "Every event: who did what to which resource, when and why; data is its JSON", f"""
    SELECT id, id >> {INDEX_BITS} AS position, id & {(1 << INDEX_BITS) - 1} AS "index", workspace, kind, key AS name,
      type, at, actor, cause, command_id, commit_id, trace, about, published,
      CAST(data AS TEXT) AS data,
      coalesce(person, actor) AS actor_name, via
    FROM main.event_rows JOIN main.groups USING (gid) LEFT JOIN temp.people ON id_of_person = actor
    """, (*EVENT_TABLES, "temp.people")),
    SqlView("activity", "How many events of each type there were on each day", """
    SELECT day, workspace, kind, type, events FROM main.days JOIN main.groups USING (gid)
    """, ("main.days", "main.groups")),
    SqlView("resources", "Every resource as it is now; first_event_seconds is from its first commit to its second", """
    SELECT workspace, kind, key AS name, status, since, parent, archived, created_at, created_by, changed_at,
      first_position, falls, first_event_seconds, CAST(state AS TEXT) AS state,
      coalesce(person, created_by) AS created_by_name
    FROM lifecycle.current LEFT JOIN temp.people ON id_of_person = created_by
    """, ("lifecycle.current", "temp.people")),
    SqlView("states", "In which status, parent and archived mark each resource was, from position to until", f"""
    SELECT scopes.workspace, scopes.kind, current.key AS name, versions.position,
      nullif(versions.until, {OPEN}) AS until, versions.status, versions.parent, versions.archived
    FROM lifecycle.versions JOIN lifecycle.scopes USING (scope) JOIN lifecycle.current
      ON current.first_position = versions.rid
    """, ("lifecycle.versions", "lifecycle.scopes", "lifecycle.current")),
    SqlView("intervals", "How long each resource was in each status; until and seconds of the present one are NULL", """
    SELECT workspace, kind, key AS name, parent, status, since, nullif(until, '') AS until, seconds, position
    FROM lifecycle.intervals
    """, ("lifecycle.intervals",)),
    SqlView("usage", "What jobs cost in each hour, by experiment and actor", f"""
    SELECT substr(hour, 1, {usage.DAY}) AS day, hour || ':00Z' AS hour, workspace, parent AS experiment, actor, jobs,
      node_milliseconds / 1000.0 AS node_seconds, output_bytes,
      coalesce(person, actor) AS actor_name
    FROM lifecycle.usage LEFT JOIN temp.people ON id_of_person = actor
    """, ("lifecycle.usage", "temp.people")),
    SqlView("AmlRunStatusChangedEvent", "Azure: every status of every run", f"""
    SELECT i.since AS TimeGenerated, 'AmlRunStatusChangedEvent' AS Type, 'RunStatusChanged' AS OperationName,
      i.key AS RunId, i.status AS Status, i.parent AS ExperimentName, NULL AS ParentRunId, i.workspace AS WorkspaceName,
      CAST(i.seconds * 1000 AS INTEGER) AS DurationMs, e.actor AS Identity, e.trace AS CorrelationId,
      'Informational' AS Level, iif(i.status = 'Failed', 'Failed', 'Succeeded') AS ResultSignature,
      CAST(e.data AS TEXT) AS Message, NULL AS CallerIpAddress, NULL AS Location, NULL AS OperationVersion,
      NULL AS ResultDescription
    FROM lifecycle.intervals AS i LEFT JOIN main.event_rows AS e ON e.id = i.position << {INDEX_BITS}
    WHERE i.kind IN ('job', 'run')
    """, ("lifecycle.intervals", "main.event_rows")),
    SqlView("AmlComputeJobEvent", "Azure: jobs on compute targets", f"""
    SELECT at AS TimeGenerated, 'AmlComputeJobEvent' AS Type, type AS OperationName, 'AmlComputeJobEvent' AS Category,
      name AS JobId, name AS JobName, {EXPERIMENT} AS ExperimentName,
      {EXPERIMENT} AS ExperimentId, e.workspace AS WorkspaceName,
      NULL AS CustomerSubscriptionId, NULL AS ResourceGroupName, {TARGET} AS ClusterId, {TARGET} AS ClusterName,
      NULL AS ClusterResourceGroupName, 'Succeeded' AS ProvisioningState,
      CASE type WHEN 'job.submitted' THEN 'JobSubmitted' WHEN 'job.started' THEN 'JobRunning'
        WHEN 'job.failed' THEN 'JobFailed' WHEN 'job.completed' THEN 'JobSucceeded' ELSE 'JobCanceled' END AS EventType,
      CASE type WHEN 'job.submitted' THEN 'Queued' WHEN 'job.started' THEN 'Running' WHEN 'job.failed' THEN 'Failed'
        WHEN 'job.completed' THEN 'Succeeded' ELSE 'Canceled' END AS ExecutionState,
      data ->> '$.code' AS ErrorDetails, data ->> '$.message' AS JobErrorMessage, NULL AS CreationApiVersion,
      NULL AS TFWorkerCount, NULL AS TFParameterServerCount, NULL AS ToolType, NULL AS RunInContainer,
      iif(type = 'job.submitted', NULL, coalesce(data ->> '$.node', job.state ->> '$.node')) AS NodeId
    FROM events AS e LEFT JOIN lifecycle.current AS job
      ON job.workspace = e.workspace AND job.kind = e.kind AND job.key = e.name
    WHERE type IN ('job.submitted', 'job.started', 'job.failed', 'job.completed', 'job.canceled')
    """, ("lifecycle.current",)),
    SqlView("AmlComputeClusterEvent", "Azure: changes of compute targets", f"""
    SELECT at AS TimeGenerated, 'AmlComputeClusterEvent' AS Type, type AS OperationName,
      'AmlComputeClusterEvent' AS Category, name AS ClusterName,
      coalesce(data ->> '$.compute_type', target.state ->> '$.compute_type', '{COMPUTE["compute_type"]}')
        AS ClusterType,
      coalesce(target.created_by, actor) AS CreatedBy, type AS EventType, e.workspace AS WorkspaceName,
      coalesce(data ->> '$.nodes_max', target.state ->> '$.nodes_max', {COMPUTE["nodes_max"]}) AS MaximumNodeCount,
      0 AS MinimumNodeCount, 'Succeeded' AS ProvisioningState, {nulls(UNKNOWN_OF_CLUSTERS)}
    FROM events AS e LEFT JOIN lifecycle.current AS target
      ON target.workspace = e.workspace AND target.kind = e.kind AND target.key = e.name
    WHERE e.kind = 'compute'
    """, ("lifecycle.current",)),
    aml("AmlRunEvent", "Azure: everything done to runs", "name AS RunId", "kind IN ('job', 'run')"),
    aml("AmlModelsEvent", "Azure: models", f"{NAME} AS AmlModelName, {VERSION} AS AmlModelVersion",
        "kind IN ('model', 'registered_model')"),
    aml("AmlEnvironmentEvent", "Azure: environments",
        f"{NAME} AS AmlEnvironmentName, {VERSION} AS AmlEnvironmentVersion", "kind = 'environment'"),
    aml("AmlDataSetEvent", "Azure: data", f"{NAME} AS AmlDatasetName, name AS AmlDatasetId", "kind = 'data'"),
    aml("AmlDataStoreEvent", "Azure: datastores", "name AS AmlDatastoreName", "kind = 'datastore'"),
    aml("AmlDeploymentEvent", "Azure: deployments", "name AS AmlServiceName", "kind LIKE '%deployment'"),
    aml("AmlInferencingEvent", "Azure: endpoints", "name AS AmlServiceName", "kind LIKE '%endpoint'"),
    aml("AmlPipelineEvent", "Azure: pipelines", "name AS AmlPipelineId", "kind LIKE '%pipeline%' OR kind = 'schedule'"),
    aml("AmlComputeInstanceEvent", "Azure: nodes", "name AS AmlComputeInstanceName", "kind = 'node'"),
)  # fmt: skip
NAMES = tuple(view.name for view in VIEWS)


def guard() -> Guard:
    return Guard({view.name: frozenset(map(table_of, view.tables)) for view in VIEWS})


def table_of(text: str) -> Table:
    schema, _, name = text.partition(".")
    return Table(schema, name)


def make_views(db: Database) -> None:
    """The views as temporary ones of this connection; the files stay as they are."""
    db.execute("PRAGMA query_only = OFF")
    db.execute(PEOPLE)
    for view in VIEWS:
        db.execute(f"CREATE TEMP VIEW {view.name} AS {view.sql}")
    db.execute("PRAGMA query_only = ON")


class SqlReaders:
    """One connection, on a thread of its own: questions in SQL wait for each other and for nobody else."""

    def __init__(self, audit: Path, lifecycle: Path, views: Sequence[SqliteView] = ()) -> None:
        self.guard = guard()
        self.people: dict[str, str] = {}
        self.readers = SqliteReaders(audit, {LIFECYCLE: lifecycle}, threads=1, prepare=self.prepare, views=views)

    def prepare(self, db: Database) -> None:
        self.people = {}  # this connection was told none
        make_views(db)
        self.guard.install(db)

    def tell(self, db: Database, people: dict[str, str]) -> None:
        """The names of actors, as they are to be shown from now on."""
        if people == self.people:
            return
        db.set_authorizer(None)
        try:
            db.execute("PRAGMA query_only = OFF")
            db.execute("DELETE FROM temp.people")
            db.executemany("INSERT INTO temp.people VALUES (?, ?)", people.items())
            db.execute("PRAGMA query_only = ON")
        finally:
            db.set_authorizer(self.guard.decide)
        self.people = dict(people)

    async def close(self) -> None:
        await self.readers.close()
