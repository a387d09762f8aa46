"""The messages of MLflow's webhooks (mlflow/protos/webhooks.proto of 3.18)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta, Struct

from treering.kernel.bounds import ITEMS_MAX, Int64, Line, Name, Text, Title
from treering_services.gateway.mlflow.messages import Answer, Request

Status = Literal["ACTIVE", "DISABLED"]


class HookEvent(Struct, frozen=True):
    entity: Name = ""
    action: Name = ""


class NewHook(Request, frozen=True):
    required = ("name", "url", "events")
    name: Name = ""
    url: Title = ""
    events: Annotated[list[HookEvent], Meta(max_length=ITEMS_MAX)] | None = None
    description: Text = ""
    secret: Name = ""
    status: Status = "ACTIVE"


class HookChange(Request, frozen=True):
    """What is left out, or an empty name, address or list of events, stays as it is."""

    name: Name = ""
    url: Title = ""
    events: Annotated[list[HookEvent], Meta(max_length=ITEMS_MAX)] = []
    description: Text | None = None
    secret: Name | None = None
    status: Status | None = None


class HookPage(Request, frozen=True):
    max_results: Int64 | None = None
    page_token: Line = ""


class HookTest(Request, frozen=True):
    event: HookEvent | None = None


class Hook(Answer, frozen=True):
    """Times are milliseconds since 1970. The secret is never said."""

    webhook_id: str
    name: str
    url: str
    events: list[HookEvent]
    status: Status
    creation_timestamp: int
    last_updated_timestamp: int
    description: str = ""


class OneHook(Answer, frozen=True):
    webhook: Hook


class Hooks(Answer, frozen=True):
    webhooks: list[Hook] = []
    next_page_token: str = ""


class TestResult(Answer, frozen=True):
    success: bool
    response_status: int = 0
    response_body: str = ""
    error_message: str = ""


class TestAnswer(Answer, frozen=True):
    result: TestResult


def events_of(names: Iterable[str]) -> list[HookEvent]:
    """``model_version.created`` as their two enumerations."""
    return [HookEvent(*name.upper().split(".")) for name in names]
