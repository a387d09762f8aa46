"""What can go wrong between a client and an installation."""

from __future__ import annotations

# Too slow, too much of this caller, too much of all: the same request may be answered in a moment.
PASSING = frozenset({408, 429, 503})


class ApiError(Exception):
    """The installation said no: ``code`` (``kind.reason``) is stable, ``detail`` for people, ``status`` is HTTP's."""

    def __init__(self, code: str, detail: str, status: int) -> None:
        super().__init__(f"{detail} ({code})")
        self.code = code
        self.detail = detail
        self.status = status


class Unreachable(Exception):
    """Nobody answered, or not to the end, however often it was tried."""

    code = "unreachable"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class NotRunning(Unreachable):
    """Nothing listens at the address at all."""

    code = "not_running"
