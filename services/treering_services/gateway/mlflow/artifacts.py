"""The lines of MLflow's artifacts API in the route table, and of what its clients ask first."""

from __future__ import annotations

from treering_services.gateway.mlflow import artifact_proxy as proxy
from treering_services.gateway.mlflow import artifact_reads as reads
from treering_services.gateway.mlflow import handshake, landing, multipart
from treering_services.gateway.policy import CHANGE, OPEN, READ
from treering_services.gateway.route import Route

A = "/api/2.0/mlflow-artifacts"
M = "/api/2.0/mlflow"
FILE = A + "/artifacts/{path:path}"
MODEL = M + "/logged-models/{model_id}/artifacts"
BINARY = "application/octet-stream"
TEXT = "text/plain"

ROUTES: tuple[Route, ...] = (
    Route("PUT", FILE, proxy.put_artifact, CHANGE, "Store an artifact", request=bytes,
          request_media_type=BINARY),
    Route("GET", FILE, proxy.get_artifact, READ, "Read an artifact, or a range of it", response=bytes,
          media_type=BINARY),
    Route("DELETE", FILE, proxy.delete_artifact, CHANGE, "Take away an artifact or a folder of them"),
    Route("GET", A + "/artifacts", proxy.list_artifacts, READ, "What stands in a folder of artifacts",
          query=proxy.ListProxied, response=proxy.Files),
    Route("POST", A + "/mpu/create/{path:path}", multipart.create_upload, CHANGE, "Begin an upload in parts",
          request=multipart.CreateUpload, response=multipart.Created),
    Route("POST", A + "/mpu/complete/{path:path}", multipart.complete_upload, CHANGE, "Join the parts",
          request=multipart.CompleteUpload),
    Route("POST", A + "/mpu/abort/{path:path}", multipart.abort_upload, CHANGE, "Give up an upload in parts",
          request=multipart.AbortUpload),
    Route("PUT", A + "/mpu/parts/{upload}/{number}", multipart.put_part, CHANGE, "Send one part", request=bytes,
          request_media_type=BINARY),
    Route("GET", A + "/presigned/{path:path}", multipart.presigned, READ, "Not done here: always refused"),
    Route("GET", M + "/artifacts/list", reads.list_run_artifacts, READ, "What stands in a folder of a run",
          query=reads.RunPath, response=proxy.Files),
    Route("POST", M + "/artifacts/presigned-upload-url", multipart.presigned_upload, READ,
          "Not done here: always refused", request=multipart.Presigned),
    Route("POST", M + "/artifacts/presigned-download-url", multipart.presigned_download, READ,
          "Not done here: always refused", request=multipart.Presigned),
    Route("POST", M + "/upload-artifact", reads.upload_artifact, CHANGE, "Store a small artifact of a run",
          query=reads.RunPath, request=bytes, request_media_type=BINARY),
    Route("GET", MODEL + "/directories", reads.list_model_artifacts, READ,
          "What stands in a folder of a logged model", query=reads.ModelFolder, response=proxy.Files),
    Route("GET", MODEL + "/files", reads.get_model_file, READ, "Read a file of a logged model",
          query=reads.ModelFile, response=bytes, media_type=BINARY),
    Route("GET", "/get-artifact", reads.get_run_artifact, READ, "Read an artifact of a run",
          query=reads.RunPath, response=bytes, media_type=BINARY),
    Route("GET", "/model-versions/get-artifact", reads.get_version_artifact, READ,
          "Read an artifact of a model version", query=reads.VersionPath, response=bytes, media_type=BINARY),
    Route("GET", "/", landing.landing, OPEN, "How to see a run, for whom MLflow's client has sent here",
          response=landing.Landing, or_media_type=landing.HTML),
    Route("GET", "/health", handshake.health, OPEN, "Is the process alive", response=str, media_type=TEXT),
    Route("GET", "/version", handshake.version, OPEN, "Which MLflow's API this is", response=str, media_type=TEXT),
    Route("GET", "/api/3.0/mlflow/server-info", handshake.server_info, OPEN, "What this server can do",
          response=handshake.ServerInfo),
)  # fmt: skip
