"""The requests and answers about runs. Clients send a run's id twice, under its old name and its new one."""

from __future__ import annotations

from typing import ClassVar

from treering.views.tracking.experiments import KeyValue
from treering.views.tracking.run_reads import RunInfo, RunRow
from treering_services.gateway.mlflow.messages import Answer, Int64, Request


class OfRun(Request, frozen=True):
    """``run_uuid`` is what very old clients send alone."""

    required: ClassVar[tuple[str, ...]] = ("id",)
    run_id: str = ""
    run_uuid: str = ""

    @property
    def id(self) -> str:
        return self.run_id or self.run_uuid


class CreateRequest(Request, frozen=True):
    experiment_id: str = ""
    user_id: str = ""
    run_name: str = ""
    start_time: Int64 | None = None
    tags: list[KeyValue] = []


class UpdateRequest(OfRun, frozen=True):
    status: str | int = ""
    end_time: Int64 | None = None
    run_name: str | None = None


class ParamRequest(OfRun, frozen=True):
    required: ClassVar[tuple[str, ...]] = ("id", "key")
    key: str = ""
    value: str = ""


class TagKeyRequest(OfRun, frozen=True):
    required: ClassVar[tuple[str, ...]] = ("id", "key")
    key: str = ""


class LegacyModelRequest(OfRun, frozen=True):
    required: ClassVar[tuple[str, ...]] = ("id", "model_json")
    model_json: str = ""


class RunAnswer(Answer, frozen=True):
    run: RunRow


class RunInfoAnswer(Answer, frozen=True):
    run_info: RunInfo
