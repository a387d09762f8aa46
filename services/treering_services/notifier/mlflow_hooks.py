"""Our events as MLflow's webhooks tell them, for sinks that were written for those.

Source: the payloads of mlflow/webhooks/types.py of 3.18, and when mlflow/server/handlers.py sends them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from treering.domain.mlflow_events import MODEL_KIND, VERSION_KIND
from treering.domain.model import ModelCreated, ModelTagged, ModelUntagged
from treering.domain.registered_model_messages import (
    AliasAssigned,
    AliasRemoved,
    RegisteredModelCreated,
    RegisteredModelTagged,
    RegisteredModelUntagged,
)
from treering.kernel.subjects import Address
from treering.views.cloud_events import CloudEvent
from treering.views.tracking.registry import PROMPT

PROMPT_TEXT, PROMPT_TYPE = "mlflow.prompt.text", "_mlflow_prompt_type"
PER_EVENT_MAX = 1_000_000  # of theirs for one of ours, which is smaller than that in bytes
Lookup = Callable[[Address], Awaitable[dict[str, Any]]]
Wants = Callable[[str], bool]
Ours = (
    RegisteredModelCreated | RegisteredModelTagged | RegisteredModelUntagged | AliasAssigned | AliasRemoved
    | ModelCreated | ModelTagged | ModelUntagged
)  # fmt: skip
ours: msgspec.json.Decoder[Ours] = msgspec.json.Decoder(Ours)

# Our event type: what it is to them of a model, and of a prompt. They do not tell of the tags of a registered model.
NAMES: Mapping[str, tuple[str, str]] = {
    "registered_model.created": ("registered_model.created", "prompt.created"),
    "registered_model.tagged": ("", "prompt_tag.set"),
    "registered_model.untagged": ("", "prompt_tag.deleted"),
    "registered_model.alias_assigned": ("model_version_alias.created", "prompt_alias.created"),
    "registered_model.alias_removed": ("model_version_alias.deleted", "prompt_alias.deleted"),
    "model.created": ("model_version.created", "prompt_version.created"),
    "model.tagged": ("model_version_tag.set", "prompt_version_tag.set"),
    "model.untagged": ("model_version_tag.deleted", "prompt_version_tag.deleted"),
}
FIELDS: Mapping[str, str] = {
    "registered_model.created": "name tags description",
    "model_version.created": "name version source run_id tags description",
    "model_version_tag.set": "name version key value",
    "model_version_tag.deleted": "name version key",
    "model_version_alias.created": "name alias version",
    "model_version_alias.deleted": "name alias",
    "prompt.created": "name tags description",
    "prompt_version.created": "name version template tags description",
    "prompt_tag.set": "name key value",
    "prompt_tag.deleted": "name key",
    "prompt_version_tag.set": "name version key value",
    "prompt_version_tag.deleted": "name version key",
    "prompt_alias.created": "name alias version",
    "prompt_alias.deleted": "name alias",
}
EXAMPLE: Mapping[str, Any] = {
    "version": "1", "source": "models:/123", "run_id": "abcd1234abcd5678", "template": "Hello {{name}}!",
    "tags": {"example_key": "example_value"}, "key": "example_key", "value": "example_value", "alias": "example_alias",
}  # fmt: skip


class Hooked(Struct, frozen=True):
    """What a sink is sent. ``timestamp`` is when it happened, so it is the same at every attempt."""

    entity: str
    action: str
    timestamp: str
    data: dict[str, Any]


async def hooked(address: Address, event: CloudEvent, lookup: Lookup, wants: Wants) -> list[Hooked]:
    """What ``event`` is to them: mostly nothing or one event, as many as there are tags for several tags."""
    names = NAMES.get(event.type, ("", ""))
    if address.kind not in (MODEL_KIND, VERSION_KIND) or not any(name and wants(name) for name in names):
        return []
    assert isinstance(event.data, msgspec.Raw)
    found = ours.decode(event.data)
    if isinstance(found, RegisteredModelCreated | ModelCreated):
        who, tags = dict[str, str](), found.tags
    else:
        who, tags = await about(address, lookup)
    prompt = is_prompt(tags)
    name = names[prompt]
    if not name or not wants(name):
        return []
    return [message(name, event.time, data) for data in told(found, who, prompt)]


async def about(address: Address, lookup: Lookup) -> tuple[dict[str, str], dict[str, str]]:
    """What tells which model, or version of it, ``address`` is; and the tags of the model."""
    key, _, version = address.key.partition(":")
    holding = (await lookup(Address(address.workspace, MODEL_KIND, key))).get("holding", {})
    who = {"name": holding.get("name") or key}
    return who | ({"version": version} if version else {}), holding.get("tags", {})


def is_prompt(tags: Mapping[str, str]) -> bool:
    return tags.get(PROMPT, "").lower() == "true"


def told(event: Ours, who: dict[str, str], prompt: bool) -> Iterator[dict[str, Any]]:
    """The data of each message; ``who`` is the name, with the version where the event is about one."""
    match event:
        case RegisteredModelCreated():
            yield {"name": event.name, "tags": shown(event.tags, prompt), "description": event.description}
        case ModelCreated():
            yield version_data(event, prompt)
        case RegisteredModelTagged() | ModelTagged():
            for key, value in event.tags.items():
                yield {**who, "key": key, "value": value}
        case RegisteredModelUntagged() | ModelUntagged():
            yield {**who, "key": event.key}
        case AliasAssigned():
            yield {**who, "alias": event.alias, "version": str(event.version)}
        case AliasRemoved():
            yield {**who, "alias": event.alias}


def version_data(event: ModelCreated, prompt: bool) -> dict[str, Any]:
    spec = event.spec
    is_from = {"template": event.tags.get(PROMPT_TEXT)} if prompt else {
        "source": spec.source, "run_id": spec.run_id or None,
    }  # fmt: skip
    tags = shown(event.tags, prompt)
    return {
        "name": spec.name, "version": str(spec.version), **is_from, "tags": tags,
        "description": event.description or None,
    }  # fmt: skip


def shown(tags: Mapping[str, str], prompt: bool) -> dict[str, str]:
    """Of a prompt without those by which it is one."""
    hidden = (PROMPT, PROMPT_TYPE, PROMPT_TEXT) if prompt else ()
    return {key: value for key, value in tags.items() if key not in hidden}


def message(name: str, at: datetime | None, data: dict[str, Any]) -> Hooked:
    entity, _, action = name.partition(".")
    return Hooked(entity, action, at.isoformat() if at else "", data)


def example(name: str, at: datetime) -> Hooked:
    """What a test sends: the example that MLflow has for the event."""
    what = name.partition(".")[0].replace("_", " ")
    values = {
        **EXAMPLE,
        "name": "example_prompt" if name.startswith("prompt") else "example_model",
        "description": f"An example {what}",
    }
    return message(name, at, {field: values[field] for field in FIELDS[name].split()})
