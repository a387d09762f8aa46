"""No sandbox: the command sees what its executor sees. Only where the operator asked for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from treering.adapters.sandbox.port import Room, Sandbox, Wrapped
from treering.kernel.refusal import Refused


class Unconfined(Sandbox):
    name = "none"

    def wrap(self, group: str, argv: Sequence[str], cwd: Path, env: Mapping[str, str], room: Room) -> Wrapped:
        if room.network == "none":
            message = "the job asks for network: none, which this node cannot give: it runs with --sandbox none"
            raise Refused("sandbox.network", message)
        return Wrapped(list(argv), dict(env), [])


class Refusing(Sandbox):
    """No sandbox works here and the operator did not say that jobs may run without: none runs."""

    name = "refused"

    def __init__(self, why: str) -> None:
        self.why = why

    def wrap(self, group: str, argv: Sequence[str], cwd: Path, env: Mapping[str, str], room: Room) -> Wrapped:
        raise Refused("sandbox.unavailable", self.why)
