"""The events of ours that Azure Event Grid has a type for: all that a webhook with the body ``eventgrid`` is told."""

from __future__ import annotations

GRID_TYPES = frozenset(
    {"job.submitted", "job.assigned", "job.started", "job.finalizing", "job.cancel_requested", "job.canceled",
     "job.failed", "job.completed", "model.created"}
)  # fmt: skip
