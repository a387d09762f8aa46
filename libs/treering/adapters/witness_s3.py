"""An object of an S3-compatible store as a witness: one PUT a checkpoint, one GET to see what is there.

Requests are signed with AWS Signature Version 4 (docs.aws.amazon.com, "Signature Calculations for the Authorization
Header"), buckets are in the path, so that every compatible store takes them. Two kinds of request need no library.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import os
import re
import ssl
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from msgspec import Struct

from treering.adapters.notes import NOTE_BYTES_MAX
from treering.kernel.clock import now
from treering.kernel.refusal import Refused

TIMEOUT_SECONDS = 10.0
ANSWER_BYTES_MAX = 64 * 1024
REGION = "us-east-1"
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
CODE = re.compile(rb"<Code>(\w{1,64})</Code>")
KEY_CHARACTERS_MAX = 900
HELP = "write s3://BUCKET/KEY, with ?endpoint=https://HOST for a store that is not AWS, and &region=NAME"


class S3Failed(OSError):
    """The store did not do it; the message is the code it gave."""


class S3Target(NamedTuple):
    endpoint: str
    region: str
    bucket: str
    key: str

    @property
    def text(self) -> str:
        """The one way to write it: what is remembered and said in events. No credential is ever a part of it."""
        return f"s3://{self.bucket}/{self.key}?{urlencode({'endpoint': self.endpoint, 'region': self.region})}"

    @property
    def path(self) -> str:
        return quote(f"/{self.bucket}/{self.key}", safe="/-_.~")


class S3Keys(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    access_key_id: str
    secret_access_key: str
    session_token: str = ""

    def __repr__(self) -> str:
        return f"S3Keys({self.access_key_id[:4]}...)"


def parsed(text: str) -> S3Target:
    """``Refused("witness.target")`` for what is no object of a store."""
    try:
        parts = urlsplit(text)
        said = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
        region = said.pop("region", REGION)
        endpoint = said.pop("endpoint", f"https://s3.{region}.amazonaws.com").rstrip("/")
        at = urlsplit(endpoint)
        plain = at.scheme in ("http", "https") and at.hostname and (at.port or 1) and not (at.query or at.fragment)
    except ValueError:
        raise Refused("witness.target", f"{text[:80]!r} is no object of a store; {HELP}") from None
    key = parts.path.removeprefix("/")
    if parts.scheme != "s3" or said or parts.fragment or "@" in parts.netloc or not BUCKET.fullmatch(parts.netloc):
        raise Refused("witness.target", f"{text[:80]!r} is no object of a store; {HELP}")
    if not plain or "@" in at.netloc or at.path or not region.replace("-", "").isalnum():
        raise Refused(
            "witness.target", f"endpoint {endpoint[:80]!r} with region {region[:40]!r} is no address of a store; {HELP}"
        )
    if not 1 <= len(key) <= KEY_CHARACTERS_MAX or not key.isprintable() or key.endswith("/"):
        detail = f"the key {key[:80]!r} must name an object, in at most {KEY_CHARACTERS_MAX} characters"
        raise Refused("witness.target", detail)
    return S3Target(endpoint, region, parts.netloc, key)


def keys_of_environment() -> S3Keys | None:
    """The standard variables of AWS; None when they are not there."""
    id, secret = os.environ.get("AWS_ACCESS_KEY_ID", ""), os.environ.get("AWS_SECRET_ACCESS_KEY", "")
    return S3Keys(id, secret, os.environ.get("AWS_SESSION_TOKEN", "")) if id and secret else None


class S3Witness:
    def __init__(self, target: S3Target, keys: S3Keys) -> None:
        self.target = target
        self.keys = keys

    def read(self) -> bytes | None:
        """The checkpoint there; None where there is none yet; S3Failed when the store does not give it out."""
        status, body = self.ask("GET")
        if status == 404 and code_of(body) in ("NoSuchKey", ""):
            return None
        if status != 200:
            raise S3Failed(f"the store answered {status} {code_of(body)}".rstrip())
        return body[: NOTE_BYTES_MAX + 1]

    def write(self, note: bytes) -> None:
        status, body = self.ask("PUT", note)
        if status not in (200, 201, 204):
            raise S3Failed(f"the store answered {status} {code_of(body)}".rstrip())

    def ask(self, method: str, body: bytes = b"") -> tuple[int, bytes]:
        at = urlsplit(self.target.endpoint)
        host, port = at.hostname or "", at.port
        connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
        if at.scheme == "https":
            context = ssl.create_default_context()
            connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT_SECONDS, context=context)
        try:
            headers = signed(self.target, self.keys, method, body, now())
            connection.request(method, self.target.path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(ANSWER_BYTES_MAX)
        except http.client.HTTPException as error:
            raise S3Failed(f"the store does not speak HTTP: {error or type(error).__name__}") from None
        finally:
            connection.close()


def signed(target: S3Target, keys: S3Keys, method: str, body: bytes, at: datetime) -> dict[str, str]:
    """The headers of a request."""
    moment = at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{moment[:8]}/{target.region}/s3/aws4_request"
    digest = hashlib.sha256(body).hexdigest()
    headers = {"host": urlsplit(target.endpoint).netloc, "x-amz-content-sha256": digest, "x-amz-date": moment}
    if keys.session_token:
        headers["x-amz-security-token"] = keys.session_token
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    request = f"{method}\n{target.path}\n\n{lines}\n{names}\n{digest}"
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{keys.secret_access_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"Credential={keys.access_key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**headers, "authorization": f"AWS4-HMAC-SHA256 {credential}"}


def code_of(body: bytes) -> str:
    found = CODE.search(body)
    return found.group(1).decode() if found else ""
