"""The content of an artifact on its way in and out."""

from __future__ import annotations

import mimetypes
import re
import unicodedata
from collections.abc import AsyncIterator
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from treering.kernel.byte_range import byte_range
from treering.kernel.refusal import Refused
from treering.views.tracking.artifacts import Artifact
from treering_services.gateway.blobs import begun
from treering_services.gateway.call import Call
from treering_services.gateway.mlflow.errors import invalid

ARTIFACT_BYTES_MAX = 1024**4
WHOLE_BYTES_MAX = 256 * 1024  # up to here content is handled in one piece, not as a stream
BINARY = "application/octet-stream"
TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
# What MLflow calls text/plain (mlflow/utils/mime_type_utils.py), by extension, or by name where there is none.
TEXTS = frozenset({
    "txt", "log", "err", "cfg", "conf", "cnf", "cf", "ini", "properties", "prop", "hocon", "toml", "yaml", "yml", "xml",
    "json", "js", "py", "py3", "csv", "tsv", "md", "rst", "ipynb", "MLmodel", "mlproject",
})  # fmt: skip
# Foreign content is never shown as a page of this server.
HEADERS = {"accept-ranges": "bytes", "content-security-policy": "sandbox", "cache-control": "no-cache"}


async def received(call: Call) -> tuple[str, int]:
    """Store the body as a blob; its digest and size in bytes."""
    announced = call.header(b"content-length")
    if announced.isdecimal() and int(announced) <= WHOLE_BYTES_MAX:
        data = b"".join([chunk async for chunk in call.chunks(WHOLE_BYTES_MAX)])
        return await call.gateway.blobs.put_bytes(data), len(data)
    counted = Counted(call.chunks(ARTIFACT_BYTES_MAX))
    return await call.gateway.blobs.put_stream(counted.chunks()), counted.size_bytes


class Counted:
    def __init__(self, source: AsyncIterator[bytes]) -> None:
        self.source = source
        self.size_bytes = 0

    async def chunks(self) -> AsyncIterator[bytes]:
        async for chunk in self.source:
            self.size_bytes += len(chunk)
            yield chunk


async def content(call: Call, found: Artifact) -> Response:
    """The artifact as an attachment; a part of it when the request has a Range."""
    name = found.path.rpartition("/")[2]
    try:
        asked = byte_range(call.header(b"range"), found.size_bytes)
    except Refused:
        return Response(status_code=416, headers={**HEADERS, "content-range": f"bytes */{found.size_bytes}"})
    start, end = asked or (0, found.size_bytes)
    headers = {
        **HEADERS,
        "content-type": media_type(name),
        "content-disposition": attachment(name),
        "content-length": str(end - start),
        "etag": f'"{found.digest}"',
    }
    if asked:
        headers["content-range"] = f"bytes {start}-{end - 1}/{found.size_bytes}"
    status = 206 if asked else 200
    chunks = call.gateway.blobs.read(found.digest, start, None if end == found.size_bytes else end)
    if end - start <= WHOLE_BYTES_MAX:
        return Response(b"".join([chunk async for chunk in chunks]), status, headers=headers)
    return StreamingResponse(await begun(chunks), status, headers=headers)


def media_type(name: str) -> str:
    stem, dot, extension = name.rpartition(".")
    if (extension if dot and stem else name) in TEXTS:
        return "text/plain"
    return mimetypes.guess_type(name)[0] or BINARY


def attachment(name: str) -> str:
    """Content-Disposition for a file of this name (RFC 6266; RFC 8187 where it is not ASCII)."""
    if name.isascii():
        return f"attachment; filename={quoted(name)}"
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode() or "download"
    return f"attachment; filename={quoted(plain)}; filename*=UTF-8''{quote(name, safe='')}"


def quoted(text: str) -> str:
    if TOKEN.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def not_a_file(path: str) -> Exception:
    return invalid(f"Artifact path refers to a directory, not a file: '{path}'")
