"""A command on its way: who asks what of which resource, and what is answered."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec import Struct

from treering.kernel.bounds import Line, Name
from treering.kernel.refusal import Refused


class Context(Struct, frozen=True, omit_defaults=True):
    """Where a command comes from; it becomes part of the commit. ``via`` is the job that acts with the rights of
    ``actor``, "" when the actor acts itself."""

    command_id: Line
    at: datetime
    actor: Name
    cause: Name = ""
    trace: Line = ""
    via: Name = ""


class CommandMessage(Struct, frozen=True, omit_defaults=True):
    """The body of a request on ``cmd.<service>.<kind>``."""

    workspace: Name
    key: Name
    context: Context
    command: msgspec.Raw


class Written(Struct, frozen=True, omit_defaults=True):
    """A command was carried out; reads that ask for ``position`` see its effect."""

    position: int
    version: int
    changed: bool = True  # False: there was nothing to do


class Answer(Struct, frozen=True, omit_defaults=True):
    """The reply to a command: ``written``, or a refusal's code and detail."""

    written: Written | None = None
    code: str = ""
    detail: str = ""

    def unwrap(self) -> Written:
        if self.written is None:
            raise Refused(self.code, self.detail)
        return self.written
