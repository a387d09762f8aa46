"""THE route table. The server, every policy and the OpenAPI document follow from it."""

from __future__ import annotations

from treering.views import proof_queries, queries, sql_answers, time_queries
from treering.views.states import Resource
from treering_services.gateway import (
    blobs,
    commands,
    environments,
    events,
    jobs,
    logs,
    nodes,
    operations,
    proofs,
    publish,
    readiness,
    relays,
    resources,
)
from treering_services.gateway.auth import BLOBS, JOIN, NODE, OPEN, OWN_JOB, OWNER
from treering_services.gateway.metrics import MEDIA_TYPE as METRICS_TYPE
from treering_services.gateway.mlflow import MLFLOW_ROUTES
from treering_services.gateway.route import Route
from treering_services.gateway.tail import EVENT_STREAM

WS = "/v1/workspaces/{ws}"
ONE = WS + "/{kinds}/{key}"

# The first line that matches is taken: fixed words stand before the pattern that would match them too, and
# what is asked most often stands first.
ROUTES: tuple[Route, ...] = (
    Route("POST", WS + "/jobs/{key}/token", nodes.job_token, NODE, "The token of a job this node holds",
          query=resources.AfterQuery, response=nodes.JobTokenAnswer),
    Route("POST", ONE + "/{command}", commands.send_command, OWNER, "Carry out a command on a resource",
          response=commands.CommandAnswer),
    Route("GET", ONE, resources.show_resource, OWN_JOB, "One resource, as it is or as it was",
          query=resources.ShowQuery, response=Resource),
    Route("GET", "/healthz", operations.healthz, OPEN, "Is the process alive", response=operations.Health),
    Route("GET", "/readyz", operations.readyz, OPEN, "Can it answer requests", response=readiness.Readiness),
    Route("GET", "/metrics", operations.metrics, OWNER, "Figures for Prometheus", response=str,
          media_type=METRICS_TYPE.partition(";")[0]),
    Route("GET", "/openapi.json", operations.openapi, OWNER, "This description", response=dict),
    Route("GET", "/v1/status", operations.status, OWNER, "How far each part is", response=operations.StatusReport),
    Route("GET", "/v1/audit", relays.audit, OWNER, "Who did what, when and why", query=queries.AuditQuery,
          response=queries.AuditAnswer),
    Route("GET", "/v1/audit/count", relays.audit_count, OWNER, "How many events, by type, actor, day and more",
          query=queries.CountQuery, response=queries.CountAnswer),
    Route("POST", "/v1/audit/sql", relays.audit_sql, OWNER, "One SELECT over the documented views",
          request=sql_answers.SqlQuery, response=sql_answers.SqlAnswer),
    Route("GET", "/v1/audit/views", relays.audit_views, OWNER, "The documented views and their columns",
          response=sql_answers.SqlViewsAnswer),
    Route("GET", "/v1/durations", relays.durations, OWNER, "How long a kind's resources were in each status, by parent",
          query=time_queries.ByParentQuery, response=time_queries.ByParentAnswer),
    Route("GET", "/v1/usage", relays.usage, OWNER, "What jobs cost: node-seconds and bytes of outputs",
          query=time_queries.UsageQuery, response=time_queries.UsageAnswer),
    Route("GET", "/v1/stuck", relays.stuck, OWNER, "What waits too long, is silent or fails again and again",
          query=time_queries.StuckQuery, response=time_queries.StuckAnswer),
    Route("POST", "/v1/log/verify", relays.verify, OWNER, "Compare the whole log with its second copy",
          request=queries.VerifyQuery, response=queries.VerifyAnswer),
    Route("GET", "/v1/log/checkpoint", proofs.checkpoint, OWNER, "The newest signed checkpoint of the log",
          response=proof_queries.CheckpointAnswer),
    Route("POST", "/v1/log/checkpoint", proofs.sign_checkpoint, OWNER, "Sign a checkpoint of all the log has now",
          request=proof_queries.CheckpointQuery, response=proof_queries.CheckpointAnswer),
    Route("GET", "/v1/log/consistency", proofs.consistency, OWNER, "Prove that the log is what an older one became",
          query=proofs.Sizes, response=proof_queries.ConsistencyAnswer),
    Route("GET", "/v1/events", events.stream_events, OWNER, "Watch events, as server-sent events or JSON lines",
          query=events.EventsQuery, response=str, media_type=EVENT_STREAM),
    Route("POST", "/v1/nodes/join", nodes.join_node, JOIN, "Make this machine a node",
          request=nodes.JoinRequest, response=nodes.JoinAnswer),
    Route("POST", "/v1/blobs/missing", blobs.missing_blobs, BLOBS, "Which of these blobs are not stored",
          request=blobs.Digests, response=blobs.Missing),
    Route("PUT", "/v1/blobs/{digest}", blobs.put_blob, BLOBS, "Store a blob under its digest", request=bytes,
          response=blobs.Stored, status=201, request_media_type=blobs.BLOB_TYPE),
    Route("GET", "/v1/blobs/{digest}", blobs.get_blob, BLOBS, "Read a blob, or from a byte on", response=bytes,
          media_type=blobs.BLOB_TYPE),
    Route("HEAD", "/v1/blobs/{digest}", blobs.head_blob, BLOBS, "Is this blob stored, and how large is it"),
    Route("GET", "/v1/workspaces", resources.list_workspaces, OWNER, "All workspaces", query=resources.ListQuery,
          response=resources.Page),
    Route("POST", WS + "/jobs", jobs.submit_job, OWNER, "Submit a job", request=jobs.SubmittedJob, response=Resource,
          status=201),
    Route("GET", WS + "/jobs/{key}/logs", logs.job_logs, OWN_JOB, "A job's console, as it is or live",
          query=logs.LogsQuery, response=str, media_type=EVENT_STREAM),
    Route("POST", WS + "/environments", environments.create_environment, OWNER, "Create a version of an environment",
          request=environments.NewEnvironment, response=commands.CommandAnswer, status=201),
    Route("POST", WS + "/events", publish.publish_events, OWN_JOB, "Publish CloudEvents, one or an array",
          request=publish.CloudEventIn | list[publish.CloudEventIn], response=publish.PublishAnswer),
    Route("GET", WS + "/lifecycle", relays.lifecycle_summary, OWNER, "How long the resources of a kind are in a status",
          query=relays.LifecycleOf, response=queries.LifecycleAnswer),
    Route("GET", WS + "/diff", relays.workspace_diff, OWNER, "What changed in a workspace between two moments",
          query=relays.WindowPage, response=time_queries.WorkspaceDiffAnswer),
    Route("GET", WS + "/{kinds}", resources.list_resources, OWNER, "Resources of a kind, newest first",
          query=resources.ListQuery, response=resources.Page),
    Route("GET", ONE + "/story", relays.story, OWNER, "What happened to a resource, in order",
          query=relays.StoryPage, response=queries.StoryAnswer),
    Route("GET", ONE + "/diff", relays.diff, OWNER, "What changed in a resource between two moments",
          query=relays.Window, response=time_queries.Difference),
    Route("GET", ONE + "/proof", proofs.proof, OWNER, "Prove that an event of a resource is in the log",
          query=proofs.ProofOf, response=str, media_type=proofs.PROOF_TYPE),
    Route("GET", ONE + "/lifecycle", relays.lifecycle, OWNER, "How long a resource was in each status",
          response=queries.LifecycleAnswer),
    Route("POST", WS + "/{command}", commands.send_workspace_command, OWNER, "Carry out a command on a workspace",
          response=commands.CommandAnswer),
    Route("GET", WS, resources.show_workspace, OWNER, "One workspace", query=resources.ShowQuery, response=Resource),
    *MLFLOW_ROUTES,
)  # fmt: skip
