"""The port to what keeps a command apart from the machine it runs on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from treering.domain.job_spec import Network
from treering.kernel.refusal import Refused


@dataclass(frozen=True)
class Room:
    """What a command may see and change beside the programs of the machine.

    ``temporary`` is the folder that stands for /tmp. ``readable`` and ``writable`` are shown at their own paths, in
    this order, so a writable folder may lie in a readable one. ``hidden`` are never shown, except for what ``readable``
    and ``writable`` name inside. A path that does not exist is passed over. Of what is readable, ``open_to_all`` is
    shown only as far as every user of the machine may read it.
    """

    temporary: Path
    writable: tuple[Path, ...] = ()
    readable: tuple[Path, ...] = ()
    hidden: tuple[Path, ...] = ()
    network: Network = "full"
    gateway_url: str = ""
    open_to_all: tuple[Path, ...] = ()


class Wrapped(NamedTuple):
    """What the spawner runs instead of the command.

    ``arguments``: more arguments, given through a file that nobody else can read; empty when the command runs as it
    is. ``uid``: the system user and group to become, 0 to stay who we are. ``gateway``: run in a private network with
    nothing but a listener at this address and port (port 0: not even that). ``scoped``: out of reach of the signals and
    abstract sockets outside. ``swapped_uid``: who the command is outside, where it is called root, see ``root_swap``;
    0 for who we are. ``own``: the paths that are root's on the disk and the command's inside.
    """

    argv: list[str]
    env: dict[str, str]
    arguments: list[str]
    uid: int = 0
    gateway: tuple[str, int] | None = None
    scoped: bool = False
    swapped_uid: int = 0
    own: tuple[str, ...] = ()


class Sandbox(ABC):
    """One per executor. ``name`` is what events, ``job show`` and ``doctor`` call it.

    ``keeps_user``: a command runs as the user of the executor, so it may write what the executor may, if it is shown.
    """

    name: str
    keeps_user = True

    @abstractmethod
    def wrap(self, group: str, argv: Sequence[str], cwd: Path, env: Mapping[str, str], room: Room) -> Wrapped:
        """How ``argv`` is run in ``room``. May block shortly. ``Refused`` ``sandbox.*`` when it cannot be run so."""

    def said(self) -> str:
        """What it is, for ``doctor``."""
        return self.name

    def weakness(self) -> str:
        """What the operator could change so that jobs see less; "" where there is nothing."""
        return ""

    def reclaim(self, folder: Path) -> None:
        """Make what commands left in ``folder`` the executor's own, and readable for later commands."""
        return

    def over(self, group: str) -> None:
        """Nothing of the group runs any more: what was kept for it is free again."""
        return


def checked_text(texts: Sequence[str]) -> None:
    """A NUL would end one argument of the sandbox and begin another, such as one that shows the whole machine."""
    if any("\0" in text for text in texts):
        message = "the command, a variable or a path has a NUL character, which no program can be given; remove it"
        raise Refused("launch.nul", message)
