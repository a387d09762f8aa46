"""The one way to say no: a stable code for programs and a sentence for people."""

from __future__ import annotations


class Refused(Exception):
    """A request broke a rule. ``code`` (``kind.reason``) is stable for ever; ``detail`` names the
    field, the value and what would be right.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
