"""What one subscriber wants to see: a workspace, a kind, a name, event types; and in which form."""

from __future__ import annotations

from msgspec import Struct

from treering.kernel.patterns import matches
from treering.kernel.subjects import Address, encode_token


class Selection(Struct, frozen=True):
    """Empty fields select everything. A type may be a pattern: ``job.*``, ``*.failed``. ``lines`` is JSON lines, not
    SSE; ``plain`` is SSE without the names of events."""

    workspace: str = ""
    kind: str = ""
    key: str = ""
    types: tuple[str, ...] = ()
    lines: bool = False
    plain: bool = False

    @property
    def address(self) -> tuple[str, str, str]:
        """Under which a group is found; see ``addresses_of``."""
        return self.workspace, self.kind, self.key

    @property
    def subject(self) -> str:
        """The narrowest subject of the log that has all of it."""
        workspace = encode_token(self.workspace) if self.workspace else "*"
        return f"evt.{workspace}.{self.kind or '*'}.{encode_token(self.key) if self.key else '*'}"

    def wants(self, type: str) -> bool:
        return not self.types or any(matches(one, type) for one in self.types)

    def selects(self, address: Address) -> bool:
        workspace, kind, key = self.address
        return workspace in ("", address.workspace) and kind in ("", address.kind) and key in ("", address.key)


def addresses_of(address: Address) -> tuple[tuple[str, str, str], ...]:
    """Every ``Selection.address`` that selects a commit of ``address``: a name is selected with its kind only."""
    workspace, kind, key = address
    return (
        ("", "", ""), (workspace, "", ""), ("", kind, ""), (workspace, kind, ""), ("", kind, key), address,
    )  # fmt: skip
