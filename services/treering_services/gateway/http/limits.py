"""How many connections there may be and how long each may take; the numbers are in docs/operations.md."""

from __future__ import annotations

import os
import resource

from msgspec import Struct

CONNECTIONS_VARIABLE = "TREERING_CONNECTIONS_MAX"
CONNECTIONS_MAX = 10_000
# The rest of the descriptors: files of views and blobs, NATS, pipes of child processes, and new connections that are
# accepted before an idle one has gone.
DESCRIPTORS_SHARE = 0.75
STREAMS_MAX = 3_000
UPLOADS_MAX = 1_000
HEADER_SECONDS = 10.0
IDLE_SECONDS = 30.0
LINGER_SECONDS = 5.0
BODY_WINDOW_SECONDS = 20.0
BODY_WINDOW_BYTES = 20 * 1024
HEADER_BYTES_MAX = 64 * 1024
TARGET_BYTES_MAX = 60 * 1024  # MLflow searches its registry by GET, with all ids of a filter in the query
FIELDS_MAX = 100
FRAMING_BYTES_MAX = 64 * 1024
UNREAD_BYTES_MAX = 16 * 1024 * 1024
PIPELINED_MAX = 16


class Limits(Struct, frozen=True):
    """``*_each`` is of one caller, the others of all together. A caller is the owner, a job, a node or a subscriber.

    ``header_seconds``: from the connection, or the first byte of a further request, to the end of the header.
    ``idle_seconds``: between two requests. ``linger_seconds``: for the rest of a body that is not wanted any more.
    A body must bring ``body_window_bytes`` in each ``body_window_seconds`` in which we were ready to take it: a minimum
    rate, because a fixed total would end a large upload over a slow line. ``fields_max`` and ``header_bytes_max`` are
    of the header and the trailer together. ``framing_bytes_max``: what a body has beside its content may be so much
    larger than its content. ``unread_bytes_max``: of a body that is not wanted any more. ``pipelined_max``: requests
    that wait for the answer of one before them on the same connection.
    """

    connections: int
    requests_each: int
    streams: int
    streams_each: int
    uploads: int
    uploads_each: int
    header_seconds: float = HEADER_SECONDS
    idle_seconds: float = IDLE_SECONDS
    linger_seconds: float = LINGER_SECONDS
    body_window_seconds: float = BODY_WINDOW_SECONDS
    body_window_bytes: int = BODY_WINDOW_BYTES
    header_bytes_max: int = HEADER_BYTES_MAX
    target_bytes_max: int = TARGET_BYTES_MAX
    fields_max: int = FIELDS_MAX
    framing_bytes_max: int = FRAMING_BYTES_MAX
    unread_bytes_max: int = UNREAD_BYTES_MAX
    pipelined_max: int = PIPELINED_MAX


def limits_for(descriptors: int, connections_max: int = CONNECTIONS_MAX) -> Limits:
    """What fits into a process that may have ``descriptors`` files and sockets open."""
    connections = max(min(connections_max, int(descriptors * DESCRIPTORS_SHARE)), 16)
    streams, uploads = min(STREAMS_MAX, connections // 2), min(UPLOADS_MAX, connections // 5)
    return Limits(connections, connections // 2, streams, streams // 2, uploads, uploads // 2)


def limits_here() -> Limits:
    """Of this process, with its limit of open files; ``TREERING_CONNECTIONS_MAX`` lowers or raises ours."""
    asked = os.environ.get(CONNECTIONS_VARIABLE, "")
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    descriptors = soft if soft != resource.RLIM_INFINITY else 2 * CONNECTIONS_MAX
    return limits_for(descriptors, int(asked) if asked.isdecimal() else CONNECTIONS_MAX)
