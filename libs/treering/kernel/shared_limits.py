"""Limits that a client keeps to and a service holds it to: written once, or one of the two would change alone."""

from __future__ import annotations

MESSAGE_BYTES_MAX = 32 * 1024 * 1024  # of NATS, between our own services: no decision is larger (docs/adr/0029)
PAGE_MAX = 1000  # resources of one page of a list
REQUEST_BYTES_MAX = 900 * 1024  # of a body over HTTP, and of a request to publish over NATS
EVENTS_MAX = 500  # that are published at once
EVENTS_BYTES_MAX = 512 * 1024  # of them; a request may have a bit more, and a message from outside 1 MiB
LAG_MAX = 1000  # positions a view may be behind while it still counts as ready
VERIFY_TIMEOUT_SECONDS = 900.0  # for a look at the whole log
THIS_LOG = "this"  # in the place of an epoch: the position is one that this installation gave, whichever epoch it is
