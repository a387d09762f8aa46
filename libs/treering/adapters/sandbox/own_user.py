"""A system user for each command, where no namespaces can be made and the executor runs as root.

The user exists only as a number: nobody can log in as it, and it owns nothing but the folders of its job. What the
other user ids of the machine may read it can read as well, and it sees the processes of others, though neither their
variables nor their files: this is weaker than bubblewrap.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from treering.adapters.sandbox.port import Room, Sandbox, Wrapped, checked_text
from treering.adapters.tree_walk import below
from treering.kernel.refusal import Refused

FIRST_UID = 1_879_048_192  # 0x70000000: far above users, containers' ranges (subuid) and systemd's dynamic users
UIDS_MAX = 1000
ENTER_ONLY = 0o711
EVERYBODY_READS, EVERYBODY_ENTERS = 0o444, 0o111


class OwnUser(Sandbox):
    name = "user"
    keeps_user = False

    def __init__(self, home: Path) -> None:
        self.home = home
        self.uids: dict[str, int] = {}

    def said(self) -> str:
        return f"{self.name}: each job is a system user of its own; bubblewrap keeps them further apart"

    def wrap(self, group: str, argv: Sequence[str], cwd: Path, env: Mapping[str, str], room: Room) -> Wrapped:
        if room.network == "none":
            raise Refused("sandbox.network", "network: none needs namespaces, which this machine does not allow")
        checked_text([*argv, *env.keys(), *env.values(), str(cwd)])
        uid = self.free_uid(group)
        self.open_the_way(cwd)
        for path in room.writable:
            if path.is_relative_to(self.home) or path.is_relative_to(room.temporary.parent):
                give(path, uid)
        return Wrapped(list(argv), dict(env), [], uid=uid, scoped=True)

    def over(self, group: str) -> None:
        self.uids.pop(group, None)

    def reclaim(self, folder: Path) -> None:
        for path in all_below(folder):
            os.chown(path, os.geteuid(), os.getegid(), follow_symlinks=False)
            if not os.path.islink(path):
                mode = os.stat(path).st_mode
                os.chmod(path, mode & 0o777 | EVERYBODY_READS | (EVERYBODY_ENTERS if mode & 0o100 else 0))

    def free_uid(self, group: str) -> int:
        taken = set(self.uids.values())
        for uid in range(FIRST_UID, FIRST_UID + UIDS_MAX):
            if uid not in taken:
                self.uids[group] = uid
                return uid
        raise Refused("launch.full", f"{UIDS_MAX} commands run already: wait until one has ended")

    def open_the_way(self, folder: Path) -> None:
        """Others may pass through the home to the folder of their job, and to nothing else on the way.

        First everything that lies directly in the home is closed to others, as it was closed by the home until now.
        """
        for path in self.home.iterdir():
            if path.name not in ("envs", "shims", "runs") and not path.is_symlink():
                path.chmod(path.stat().st_mode & 0o700)
        self.home.chmod(ENTER_ONLY)
        for name in ("envs", "shims", "runs"):
            if (self.home / name).exists():
                (self.home / name).chmod(ENTER_ONLY | 0o044 * (name == "shims"))
        above = [path for path in folder.parents if path.is_relative_to(self.home / "runs")]
        for path in above:
            path.chmod(ENTER_ONLY)


def give(folder: Path, uid: int) -> None:
    """Make ``folder`` and all in it ``uid``'s alone. Links are not followed: they could lead anywhere."""
    for path in all_below(folder):
        os.chown(path, uid, uid, follow_symlinks=False)
    folder.chmod(0o700)


def all_below(folder: Path) -> Iterator[str]:
    yield str(folder)
    yield from (entry.path for entry in below(str(folder), f"the folder {folder.name!r}"))
