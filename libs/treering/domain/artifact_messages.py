"""Artifacts: files below a resource that owns them, each a path and the digest of a blob.

A run, a logged model and (for what belongs to neither) the workspace own artifacts. Every put and every removal is
an event of the owner; which artifacts there are now is for the tracking view to say. An owner's state keeps only the
last word about its artifacts, so that the same word said again is recognised.
"""

from __future__ import annotations

from typing import NamedTuple

from treering.kernel.aggregate import Command, Event
from treering.kernel.blobs import checked_digest
from treering.kernel.bounds import Name, Size, Text
from treering.kernel.refusal import Refused
from treering.kernel.safe_path import SafePath


class LogArtifact(Command, frozen=True, tag="log_artifact"):
    """Put the blob ``digest``, which is stored already, at ``path`` below the owner's artifact root."""

    path: Text
    digest: Name
    size_bytes: Size


class DeleteArtifact(Command, frozen=True, tag="delete_artifact"):
    """Take away the file at ``path``, or all below the folder ``path``; "" is everything the owner has."""

    path: Text


class ArtifactLogged(Event, frozen=True):
    """Each owning kind has its own tag for it."""

    path: Text
    digest: Name
    size_bytes: Size


class ArtifactDeleted(Event, frozen=True):
    path: Text


class LastArtifact(NamedTuple):
    """``digest`` is "" after a removal."""

    path: str
    digest: str = ""


def said(event: ArtifactLogged | ArtifactDeleted) -> LastArtifact:
    """What an owner's state keeps of an event."""
    return LastArtifact(event.path, event.digest if isinstance(event, ArtifactLogged) else "")


def checked_log(command: LogArtifact, last: LastArtifact | None) -> bool:
    """Whether there is something to do; refuses a path or digest that is none."""
    checked_path(command.path)
    checked_digest(command.digest)
    if command.size_bytes < 0:
        raise Refused("artifact.size_invalid", f"size_bytes is {command.size_bytes}; it must be 0 or more")
    return last != LastArtifact(command.path, command.digest)


def checked_deletion(command: DeleteArtifact, last: LastArtifact | None) -> bool:
    if command.path:
        checked_path(command.path)
    return last != LastArtifact(command.path)


def checked_path(path: str) -> str:
    """``path`` when it is in its plain form: ``Refused`` ``path.unsafe`` or ``artifact.path_invalid`` otherwise."""
    if not path or SafePath.parse(path).text != path:
        raise Refused("artifact.path_invalid", f"{path[:100]!r} is not the plain form of a relative path")
    return path
