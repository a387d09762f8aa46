"""What can go wrong between a client and an installation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Too slow, too much of this caller, too much of all: the same request may be answered in a moment.
PASSING = frozenset({408, 429, 503})


class ApiError(Exception):
    """The installation said no: ``code`` (``kind.reason``) is stable, ``detail`` for people, ``status`` is HTTP's."""

    def __init__(self, code: str, detail: str, status: int) -> None:
        super().__init__(f"{detail} ({code})")
        self.code = code
        self.detail = detail
        self.status = status


class OtherLog(ApiError):
    """The installation was restored from a backup, and what stood behind ``common`` is another history now: ``epoch``
    names the log that it has, ``head`` where that ends. Give ``place`` as ``since`` to go on where both agree."""

    def __init__(self, detail: str, epoch: str, head: int, common: int, status: int = 410) -> None:
        super().__init__(self.code, detail, status)
        self.epoch = epoch
        self.head = head
        self.common = common

    code = "position.other_log"

    @property
    def place(self) -> str:
        return f"{self.epoch}:{self.common}"


def api_error(code: str, detail: str, status: int, said: Mapping[str, Any] = {}) -> ApiError:
    """What a refusal is raised as; ``said`` has its members."""
    epoch, head, common = (said.get(name) for name in ("epoch", "head", "common"))
    if code == OtherLog.code and isinstance(epoch, str) and isinstance(head, int) and isinstance(common, int):
        return OtherLog(detail, epoch, head, common, status)
    return ApiError(code, detail, status)


class Unreachable(Exception):
    """Nobody answered, or not to the end, however often it was tried."""

    code = "unreachable"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class NotRunning(Unreachable):
    """Nothing listens at the address at all."""

    code = "not_running"
