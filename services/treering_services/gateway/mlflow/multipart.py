"""Uploads in parts: MLflow's client sends large files so, several parts at a time, when the server says it may.

The parts are sent to this server, each to the URL that ``create`` answers with; the header that let the caller in
goes with each URL, so that the client's bare PUT is let in too.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct
from starlette.responses import Response

from treering.adapters.blob_parts import PARTS_MAX
from treering.kernel.bounds import ITEMS_MAX, Int64, Line, Text
from treering.kernel.refusal import Refused
from treering_services.gateway.call import Call
from treering_services.gateway.mlflow import artifact_store as store
from treering_services.gateway.mlflow.artifact_names import check_kept, check_sent
from treering_services.gateway.mlflow.artifact_paths import Owned, safe_path
from treering_services.gateway.mlflow.artifact_proxy import where
from treering_services.gateway.mlflow.errors import MlflowError, absent, invalid
from treering_services.gateway.mlflow.messages import Answer, Request, answer, read
from treering_services.gateway.mount import prefix_of

PART_PATH = "/api/2.0/mlflow-artifacts/mpu/parts"
PART_BYTES_MAX = 5 * 1024**3


class CreateUpload(Request, frozen=True):
    required = ("path",)
    path: Text = ""
    num_parts: Int64 = 1


class Credential(Answer, frozen=True):
    url: str
    part_number: int
    headers: dict[str, str] = {}


class Created(Answer, frozen=True):
    upload_id: str
    credentials: list[Credential]


class Part(Struct, frozen=True):
    part_number: Int64
    etag: Line = ""
    url: Line = ""


class CompleteUpload(Request, frozen=True):
    required = ("path", "parts")
    values_max = 5 * PARTS_MAX
    path: Text = ""
    upload_id: Line = ""
    parts: Annotated[list[Part], Meta(max_length=ITEMS_MAX)] | None = None


class AbortUpload(Request, frozen=True):
    required = ("path",)
    path: Text = ""
    upload_id: Line = ""


async def create_upload(call: Call) -> Response:
    asked = await read(call, CreateUpload)
    await store.check_writable(call, await target(call, asked.path))
    if not 1 <= asked.num_parts <= PARTS_MAX:
        raise invalid(f"num_parts is {asked.num_parts}, it may be 1 to {PARTS_MAX}")
    upload = await call.gateway.parts.create()
    headers = {"Authorization": said} if (said := call.header(b"authorization")) else {}
    base = f"{call.scope['scheme']}://{call.header(b'host')}{prefix_of(call.scope)}{PART_PATH}/{upload}"
    numbers = range(1, asked.num_parts + 1)
    return answer(Created(upload, [Credential(f"{base}/{number}", number, headers) for number in numbers]))


async def put_part(call: Call) -> Response:
    """The ETag of the answer is what ``complete`` asks for."""
    number = call.params["number"]
    if not (number.isascii() and number.isdecimal() and len(number) <= 5):
        raise invalid(f"the number of a part is {number[:20]!r}; it must be 1 to {PARTS_MAX}")
    with_upload = call.gateway.parts.put(call.params["upload"], int(number), call.chunks(PART_BYTES_MAX))
    return Response(headers={"etag": await with_upload})


async def complete_upload(call: Call) -> Response:
    asked = await read(call, CompleteUpload)
    place = await target(call, asked.path)
    await store.check_writable(call, place)
    parts = [(part.part_number, part.etag.strip('"')) for part in asked.parts or ()]
    await store.put(call, place, *await call.gateway.parts.complete(asked.upload_id, parts))
    return answer()


async def abort_upload(call: Call) -> Response:
    asked = await read(call, AbortUpload)
    await store.check_writable(call, await target(call, asked.path))
    try:
        await call.gateway.parts.abort(asked.upload_id)
    except Refused as refused:
        raise absent(refused.detail) from None
    return answer()


async def target(call: Call, said: str) -> Owned:
    """The folder of the URL and the file's name: old clients send their local path, of which the last part counts."""
    check_sent(call)
    name = safe_path(said.replace("\\", "/").rpartition("/")[2])
    if name in ("", ".", ".."):
        raise invalid("Invalid path")
    folder = safe_path(call.params.get("path", ""))
    return await where(call, check_kept(f"{folder}/{name}" if folder else name))


async def presigned(call: Call) -> Response:
    """There is nothing to sign: content is served by this server, as MLflow's own does for a local folder."""
    safe_path(call.params["path"])
    raise MlflowError("NOT_IMPLEMENTED", "Multipart download is not supported for the current artifact repository")


class Presigned(Request, frozen=True):
    required = ("path",)
    path: Text = ""


async def presigned_upload(call: Call) -> Response:
    safe_path((await read(call, Presigned)).path)
    raise invalid(
        "Presigned upload is not supported for proxied artifact storage (artifact URI scheme: mlflow-artifacts)."
    )


async def presigned_download(call: Call) -> Response:
    safe_path((await read(call, Presigned)).path)
    raise invalid(
        "Presigned download is not supported for runs with proxied artifact storage "
        "(artifact URI scheme: mlflow-artifacts)."
    )
