"""The messages of MLflow's registry API (mlflow/protos/model_registry.proto), made from the view's rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

from msgspec import Meta, Struct

from treering.kernel.bounds import Int64, Line, Name, Names, Text, Title
from treering.views.tracking.registry import PROMPT
from treering.views.tracking.registry_rows import ModelRow, VersionRow
from treering_services.gateway.mlflow.limits import CREATED_MAX
from treering_services.gateway.mlflow.messages import Answer, Request

MODELS_MAX = 1000
MODELS_DEFAULT = 100
VERSIONS_MAX = 200_000


class KeyValue(Struct, frozen=True):
    key: Name = ""
    value: Text = ""


class Alias(Struct, frozen=True):
    alias: str
    version: str


class ModelVersion(Answer, frozen=True):
    """Times are milliseconds since 1970. What is said as "" is said so by MLflow too."""

    name: str
    version: str
    creation_timestamp: int
    last_updated_timestamp: int
    current_stage: str
    source: str
    run_id: str
    status: str
    run_link: str
    description: str | None = None
    tags: list[KeyValue] = []
    aliases: list[str] = []
    status_message: str = ""


class RegisteredModel(Answer, frozen=True):
    name: str
    creation_timestamp: int
    last_updated_timestamp: int
    description: str = ""
    latest_versions: list[ModelVersion] = []
    tags: list[KeyValue] = []
    aliases: list[Alias] = []


class OneModel(Answer, frozen=True):
    registered_model: RegisteredModel


class OneVersion(Answer, frozen=True):
    model_version: ModelVersion


class Models(Answer, frozen=True):
    registered_models: list[RegisteredModel] = []
    next_page_token: str = ""


class Versions(Answer, frozen=True):
    model_versions: list[ModelVersion] = []
    next_page_token: str = ""


class DownloadUri(Answer, frozen=True):
    artifact_uri: str


class NameOf(Request, frozen=True):
    required = ("name",)
    name: Name = ""


class NewModel(Request, frozen=True):
    required = ("name",)
    name: Name = ""
    tags: Annotated[list[KeyValue], Meta(max_length=CREATED_MAX)] = []
    description: Text = ""


class Renaming(Request, frozen=True):
    required = ("name", "new_name")
    name: Name = ""
    new_name: Name = ""


class Description(Request, frozen=True):
    required = ("name",)
    name: Name = ""
    description: Text = ""


class Search(Request, frozen=True):
    filter: Text = ""
    max_results: Int64 | None = None
    order_by: Names = []
    page_token: Line = ""


class Stages(Request, frozen=True):
    required = ("name",)
    name: Name = ""
    stages: Names = []


class ModelTag(Request, frozen=True):
    required = ("name", "key")
    name: Name = ""
    key: Name = ""
    value: Text = ""


class AliasOf(Request, frozen=True):
    required = ("name", "alias")
    name: Name = ""
    alias: Name = ""


class NewAlias(Request, frozen=True):
    required = ("name", "alias", "version")
    name: Name = ""
    alias: Name = ""
    version: Name = ""


class NewVersion(Request, frozen=True):
    required = ("name", "source")
    name: Name = ""
    source: Text = ""
    run_id: Name | None = None
    tags: Annotated[list[KeyValue], Meta(max_length=CREATED_MAX)] = []
    run_link: Title = ""
    description: Text = ""
    model_id: Name | None = None


class VersionOf(Request, frozen=True):
    required = ("name", "version")
    name: Name = ""
    version: Name = ""


class VersionDescription(Request, frozen=True):
    required = ("name", "version")
    name: Name = ""
    version: Name = ""
    description: Text | None = None


class VersionTag(Request, frozen=True):
    required = ("name", "version", "key")
    name: Name = ""
    version: Name = ""
    key: Name = ""
    value: Text = ""


class Transition(Request, frozen=True):
    required = ("name", "version", "stage")
    name: Name = ""
    version: Name = ""
    stage: Name = ""
    archive_existing_versions: bool = False


def pairs(mapping: Mapping[str, str]) -> list[KeyValue]:
    return [KeyValue(key, value) for key, value in mapping.items()]


def version_message(row: VersionRow, aliases: Mapping[str, int] | None = None) -> ModelVersion:
    """``aliases`` are those of its model; lists do not say them."""
    return ModelVersion(
        row.name, str(row.version), row.created_ms, row.updated_ms, row.stage, row.source, row.run_id, "READY",
        row.run_link, row.description, pairs(row.tags),
        [alias for alias, version in (aliases or {}).items() if version == row.version], unpinned(row),
    )  # fmt: skip


def unpinned(row: VersionRow) -> str:
    """What its readers are to know of a version that has files, and no digest of them."""
    if row.digest or row.tags.get(PROMPT, "false").lower() == "true":
        return ""
    return f"its files are not held by a digest: they are what lies at {row.storage or row.source!r} at the time"


def model_message(row: ModelRow, latest: Iterable[VersionRow]) -> RegisteredModel:
    return RegisteredModel(
        row.name, row.created_ms, row.updated_ms, row.description, [version_message(one) for one in latest],
        pairs(row.tags), [Alias(alias, str(version)) for alias, version in row.aliases.items()],
    )  # fmt: skip
