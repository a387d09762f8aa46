"""The requests and answers about runs. Clients send a run's id twice, under its old name and its new one."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from treering.kernel.bounds import Milliseconds, Name, Small, Text
from treering.views.tracking.experiments import KeyValue
from treering.views.tracking.run_reads import RunInfo, RunRow
from treering_services.gateway.mlflow.limits import CREATED_MAX
from treering_services.gateway.mlflow.messages import Answer, Request


class OfRun(Request, frozen=True):
    """``run_uuid`` is what very old clients send alone."""

    required: ClassVar[tuple[str, ...]] = ("id",)
    run_id: Name = ""
    run_uuid: Name = ""

    @property
    def id(self) -> str:
        return self.run_id or self.run_uuid


class CreateRequest(Request, frozen=True):
    experiment_id: Name = ""
    user_id: Name = ""
    run_name: Name = ""
    start_time: Milliseconds | None = None
    tags: Annotated[list[KeyValue], Meta(max_length=CREATED_MAX)] = []


class UpdateRequest(OfRun, frozen=True):
    status: Name | Small = ""
    end_time: Milliseconds | None = None
    run_name: Name | None = None


class ParamRequest(OfRun, frozen=True):
    required: ClassVar[tuple[str, ...]] = ("id", "key")
    key: Name = ""
    value: Text = ""


class TagKeyRequest(OfRun, frozen=True):
    required: ClassVar[tuple[str, ...]] = ("id", "key")
    key: Name = ""


class LegacyModelRequest(OfRun, frozen=True):
    required: ClassVar[tuple[str, ...]] = ("id", "model_json")
    model_json: Text = ""


class RunAnswer(Answer, frozen=True):
    run: RunRow


class RunInfoAnswer(Answer, frozen=True):
    run_info: RunInfo
