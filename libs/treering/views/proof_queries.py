"""The questions about proof that the monitor answers on ``qry.<name>``, and its answers. Hashes are base64."""

from __future__ import annotations

from msgspec import Struct

from treering.kernel.bounds import Name, Position


class CheckpointQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """``qry.checkpoint``: the newest signed checkpoint; with ``sign`` one of all the log has now."""

    sign: bool = False


class ProveQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """``qry.prove``: that the commit of this resource at ``position`` (0: its newest) is in the log."""

    workspace: Name
    kind: Name
    name: Name
    position: Position = 0


class ConsistencyQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """``qry.consistency``: that the log of ``new`` commits (0: all that are signed) begins with the one of ``old``."""

    old: Position
    new: Position = 0


class WitnessStatus(Struct, frozen=True):
    """How a witness took the last checkpoint: the size it holds, or why it does not answer."""

    name: str
    size: int
    why: str = ""


class CheckpointAnswer(Struct, frozen=True):
    """``note`` is the checkpoint, signed; ``key`` verifies it. ``witnesses``: how they took the last one."""

    origin: str
    size: int
    root: str
    key: str
    note: str
    witnesses: list[WitnessStatus] = []


class ProveAnswer(Struct, frozen=True):
    """The parts of a proof but for the commit: that is at ``position`` of the log."""

    position: int
    hashes: list[str]
    checkpoint: str


class ConsistencyAnswer(Struct, frozen=True):
    """``proof`` is the file that shows it; ``old`` and ``new`` are the two sizes."""

    old: int
    new: int
    proof: str
