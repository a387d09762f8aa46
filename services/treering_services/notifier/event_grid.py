"""Our events as Azure Event Grid's of Azure Machine Learning, for sinks that were written for those.

Source: the Event Grid schema of Microsoft.MachineLearningServices (envelope and data fields of each type).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct

from treering.kernel.subjects import Address
from treering.views.cloud_events import CloudEvent

PREFIX = "Microsoft.MachineLearningServices."
RUN_COMPLETED, RUN_STATUS_CHANGED = PREFIX + "RunCompleted", PREFIX + "RunStatusChanged"
MODEL_REGISTERED = PREFIX + "ModelRegistered"
Lookup = Callable[[Address], Awaitable[dict[str, Any]]]

# Our event type: (theirs, and the run status it tells of). Their envelope has no place that says who an event is
# from, so what others publish is never told in it, whatever its type.
TYPES: dict[str, tuple[tuple[str, str], ...]] = {
    "job.submitted": ((RUN_STATUS_CHANGED, "Queued"),),
    "job.assigned": ((RUN_STATUS_CHANGED, "Preparing"),),
    "job.started": ((RUN_STATUS_CHANGED, "Running"),),
    "job.finalizing": ((RUN_STATUS_CHANGED, "Finalizing"),),
    "job.cancel_requested": ((RUN_STATUS_CHANGED, "CancelRequested"),),
    "job.canceled": ((RUN_STATUS_CHANGED, "Canceled"),),
    "job.failed": ((RUN_STATUS_CHANGED, "Failed"),),
    "job.completed": ((RUN_STATUS_CHANGED, "Completed"), (RUN_COMPLETED, "Completed")),
    "model.created": ((MODEL_REGISTERED, ""),),
}
PER_EVENT_MAX = 2  # of theirs for one of ours


class GridEvent(Struct, frozen=True, rename="camel"):
    """The envelope. It is sent as an array of one, as Event Grid sends it."""

    id: str
    topic: str
    subject: str
    event_type: str
    event_time: Any
    data: Any
    data_version: str = "1.0"
    metadata_version: str = "1"


async def grid_events(address: Address, event: CloudEvent, id: str, lookup: Lookup) -> list[GridEvent]:
    """What ``event`` is to them: nothing, one event or two."""
    topic = f"/treering/{address.workspace}"
    if event.published:
        return []
    found: list[GridEvent] = []
    for number, (type, status) in enumerate(TYPES.get(event.type, ())):
        state = await lookup(address)
        subject, data = model_data(address, state) if type == MODEL_REGISTERED else run_data(address, state)
        if type == RUN_STATUS_CHANGED:
            data["runStatus"] = status
        found.append(GridEvent(f"{id}.{number}" if number else id, topic, subject, type, event.time, data))
    return found


def run_data(address: Address, state: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    spec = state.get("spec") or {}
    experiment = spec.get("experiment", "")
    data = {
        "experimentId": experiment,
        "experimentName": experiment,
        "runId": address.key,
        "runType": "command",
        "runTags": spec.get("tags", {}),
        "runProperties": {},
    }
    return f"experiments/{experiment}/runs/{address.key}", data


def model_data(address: Address, state: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    name, _, version = address.key.partition(":")
    data = {"modelName": name, "modelVersion": version, "modelTags": state.get("tags", {}), "modelProperties": {}}
    return f"models/{address.key}", data
