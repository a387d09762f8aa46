"""What a request's header must be to be understood in one way only (RFC 9112): by us, and by a proxy in front of us."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from urllib.parse import urlsplit

from treering.kernel.refusal import Refused

# What is read as one value. Of two, a proxy may take the first and we the last.
SINGLE = frozenset(
    {b"authorization", b"content-encoding", b"content-length", b"content-type", b"host", b"idempotency-key",
     b"last-event-id", b"origin", b"range", b"traceparent", b"transfer-encoding"}
)  # fmt: skip
CLOUD_EVENT_PREFIX = b"ce-"
SHOWN_CHARACTERS_MAX = 80
Fields = Sequence[tuple[bytes, bytes]]


def check_header(version: str, target: bytes, fields: Fields, *, upgrade: bool) -> dict[bytes, bytes]:
    """The fields by name, in lower case as they come; of two with one name the last. Calls nothing that an ordinary
    request does not need. Raises ``Refused``: ``request.header_twice``, ``request.malformed``,
    ``request.transfer_encoding``, ``request.upgrade``."""
    if version not in ("1.0", "1.1"):
        raise malformed(f"it is of HTTP/{version}, and this server speaks HTTP/1.1")
    named = dict(fields)
    if len(named) != len(fields):
        check_single(fields)
    if b"host" not in named and version == "1.1":
        raise malformed("it has no Host field")
    if target[:1] != b"/" or b"#" in target:
        check_target(target, named.get(b"host", b""))
    if upgrade or b"transfer-encoding" in named:
        check_length(version, named, upgrade=upgrade)
    return named


def check_single(fields: Fields) -> None:
    for name, count in Counter(name for name, _ in fields).items():
        if count > 1 and (name in SINGLE or name.startswith(CLOUD_EVENT_PREFIX)):
            raise Refused("request.header_twice", f"the header has {count} {shown(name)} fields; send one of them")


def check_target(target: bytes, host: bytes) -> None:
    """Of one that is no plain path. An absolute target (of a client that takes us for a proxy) must name the host that
    the Host field names."""
    if b"#" in target:
        raise malformed("its target has a fragment (#), which is for clients only")
    try:
        parts = urlsplit(target.decode("ascii"))
    except ValueError:
        raise malformed("its target is no path and no URL") from None
    if parts.scheme not in ("http", "https") or not parts.path.startswith("/"):
        raise malformed("its target is no path, and no http URL with one")
    if parts.netloc.lower().encode() != host.lower():
        raise malformed(f"its target names the host {shown(parts.netloc.encode())}, and its Host field {shown(host)}")


def check_length(version: str, named: dict[bytes, bytes], *, upgrade: bool) -> None:
    """How long the body is, in one way."""
    coding = named.get(b"transfer-encoding")
    if coding is not None:
        if version != "1.1":
            raise malformed(f"HTTP/{version} has no Transfer-Encoding; send a Content-Length")
        if coding.strip().lower() != b"chunked":
            why = f"Transfer-Encoding is {shown(coding)}; only chunked is understood"
            raise Refused("request.transfer_encoding", why)
        if b"content-length" in named:
            raise malformed("it has a Transfer-Encoding and a Content-Length; send one of them")
    if upgrade and (coding is not None or named.get(b"content-length", b"0") != b"0"):
        why = "the request asks for another protocol, and this server has none"
        raise Refused("request.upgrade", f"{why}; leave out Upgrade, or send no body")


def malformed(why: str) -> Refused:
    return Refused("request.malformed", f"this is not a request that can be read: {why}")


def shown(text: bytes) -> str:
    return repr(text[:SHOWN_CHARACTERS_MAX].decode("latin-1"))
