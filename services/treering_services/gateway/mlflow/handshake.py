"""What a client asks first: is anybody there, and what can they do."""

from __future__ import annotations

from msgspec import Struct
from starlette.responses import PlainTextResponse, Response

from treering_services.gateway.call import Call, reply

MLFLOW_VERSION = "3.18.0"  # whose API this is


class Features(Struct, frozen=True):
    gateway: bool = False
    scheduled_issue_detection: bool = False


class ServerInfo(Struct, frozen=True):
    """As MLflow 3.18 answers it for its SQL store; the parts that are not here are said to be off."""

    store_type: str = "SqlStore"
    workspaces_enabled: bool = False
    trace_archival_enabled: bool = False
    multipart_uploads_enabled: bool = True
    multipart_downloads_enabled: bool = False
    artifact_serving_enabled: bool = True
    presigned_upload_run_id_supported: bool = False
    presigned_upload_model_id_supported: bool = False
    model_artifact_presigned_downloads_supported: bool = False
    features_enabled: Features = Features()
    tracking_auth: str = ""
    artifacts_presigned_only: bool = False


async def health(call: Call) -> Response:
    return PlainTextResponse("OK")


async def version(call: Call) -> Response:
    return PlainTextResponse(MLFLOW_VERSION)


async def server_info(call: Call) -> Response:
    return reply(ServerInfo())
