"""What the machine gives an installation: room, a clock, private keys, tools, and containment for jobs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from uv import find_uv_bin

from treering.adapters.containment import choose
from treering.adapters.descriptors import hard_limit
from treering.adapters.findings import Finding, ok, warning, wrong
from treering.adapters.free_space import MIB, room_in
from treering.adapters.home_files import kept_files
from treering.adapters.home_secrets import UNREAD, broken_secrets
from treering.adapters.log_copy import FILE_NAME
from treering.adapters.not_checked import unchecked
from treering.adapters.open_home import open_folders, open_secrets
from treering.adapters.pythons import pyenv_pythons, running
from treering.adapters.read_only import last_commit
from treering.adapters.sandbox.choose import asked_for, choose_sandbox
from treering.adapters.sandbox.unconfined import Refusing, Unconfined
from treering.adapters.sums import noted
from treering.config import Home
from treering.kernel.clock import now

INODES_FREE_PERCENT_MIN = 5.0
CLOCK_SKEW_SECONDS_MAX = 2.0
BUILT = datetime(2026, 1, 1, tzinfo=UTC)  # a clock before this release was written is wrong for sure
CLOCK_AHEAD_MAX = timedelta(days=3650)
DESCRIPTORS_MIN = 8192
SECRETS = ("token", "keys/join-token", "keys/job-token.key")


def disk(home: Home) -> Iterator[Finding]:
    """Room where each store is, against the marks below which writing is refused (see ``free_space``)."""
    for store in home.stores:
        room = room_in(store)
        found = f"{store}: {room.free_bytes / MIB:,.0f} MiB free of {room.total_bytes / MIB:,.0f}"
        if room.free_bytes < room.clients_bytes_min:
            advice = (
                f"give it room: below {room.clients_bytes_min / MIB:,.0f} MiB every write is refused (507 disk.full)"
            )
            yield wrong("disk", found, advice)
        elif room.free_bytes < 2 * room.reserve_bytes:
            advice = f"make room soon: below {room.clients_bytes_min / MIB:,.0f} MiB clients will be refused"
            yield warning("disk", found, advice)
        elif room.inodes_free_percent < INODES_FREE_PERCENT_MIN:
            advice = "remove files that are not needed: every blob is one"
            yield warning("disk", f"{store}: {room.inodes_free_percent:.0f} % of the file numbers are free", advice)
        else:
            yield ok("disk", found)


def descriptors(home: Home) -> Iterator[Finding]:
    """How many files and sockets a process may open: three quarters of them are for clients."""
    most = hard_limit()
    found = f"a process may open {most:,} files and sockets (ulimit -Hn)"
    if most < DESCRIPTORS_MIN:
        yield warning("descriptors", found, f"raise the hard limit to {DESCRIPTORS_MIN:,} or more for many clients")
    else:
        yield ok("descriptors", found)


def clock(home: Home) -> Iterator[Finding]:
    """The clock against the last time in the log: events keep their order whatever it says, people are misled."""
    time = now()
    if not BUILT < time < BUILT + CLOCK_AHEAD_MAX:
        yield wrong("clock", f"it says {time:%Y-%m-%d %H:%M:%S} UTC", "set the clock, and keep it by NTP")
        return
    last = last_commit(home.copy / FILE_NAME)
    behind = (last.at - time).total_seconds() if last else 0.0
    if behind > CLOCK_SKEW_SECONDS_MAX:
        found = (
            f"it is {behind:,.0f} s behind the last event of the log ({last.at:%Y-%m-%d %H:%M:%S} UTC)" if last else ""
        )
        yield wrong("clock", found, "set the clock, and keep it by NTP; the times of new events would be too early")
    else:
        yield ok("clock", f"{time:%Y-%m-%d %H:%M:%S} UTC, not before the last event of the log")


def keys(home: Home) -> Iterator[Finding]:
    """Everything secret is there and its owner's alone. A home that never ran has none yet."""
    if not home.root.exists():
        yield ok("keys", "none yet: the first start makes them")
        return
    for said in open_folders(home):
        found, _, advice = said.rpartition(": ")
        yield warning("keys", found, advice)
    if not home.keys.exists() or not any(home.keys.iterdir()):
        yield ok("keys", "none yet: the first start makes them")
        return
    for name in SECRETS:
        if not (home.root / name).exists() and not noted(home.root / name):
            advice = "restore it from a backup, or start treering: it makes a new one"
            yield warning("keys", f"{home.root / name} is not there", advice)
    bad = broken_secrets(home)
    for broken in bad:
        if broken.why.startswith(UNREAD):
            yield unchecked("keys", broken.path, broken.why)
            continue
        what, _, advice = str(broken).partition(": ")
        say = warning if broken.is_open and not broken.fatal else wrong  # as a start does
        yield say("keys", what, advice or "put it back from a backup of the keys")
    read_by_others = [path for path in open_secrets(home) if path not in {one.path for one in bad if one.fatal}]
    for path in read_by_others:
        yield wrong("keys", f"others on this machine can read {path}", f"chmod 600 {path}; then change the secret")
    if not bad and not read_by_others:
        yield ok("keys", f"{len(kept_files(home))} files, what was written, readable by their owner only")


def tools(home: Home) -> Iterator[Finding]:
    """What environments of jobs are made with."""
    try:
        uv = find_uv_bin()
    except FileNotFoundError as error:
        yield wrong("tools", f"there is no uv: {error}", "install treering again with its locked requirements")
    else:
        runs = os.access(uv, os.X_OK)
        yield ok("tools", f"uv at {uv}") if runs else wrong("tools", f"{uv} may not be run", f"chmod 755 {uv}")
    versions = sorted({one.version for one in (running(), *pyenv_pythons())})
    yield ok("tools", f"Python for jobs: {', '.join(map(str, versions))} (and those that uv finds)")
    if not os.access("/bin/bash", os.X_OK):
        yield wrong("tools", "there is no /bin/bash, which runs the commands of jobs", "install bash")


def containment(home: Home) -> Iterator[Finding]:
    """How jobs are kept together, found by trying it with a process of our own."""
    forced = os.environ.get("TREERING_CONTAINMENT", "")
    try:
        mode = choose(f"treering-doctor-{os.getpid()}", forced)
    except OSError as error:
        yield wrong("containment", str(error), "unset TREERING_CONTAINMENT, or name one that this machine has")
        return
    mode.remove_parent()
    if mode.mode == "session":
        advice = "let this user make cgroups (Delegate=yes in a systemd unit, or a writable /sys/fs/cgroup)"
        yield warning(
            "containment", "no cgroup may be made here: jobs are found by a mark in their environment", advice
        )
    else:
        yield ok("containment", f"{mode.mode}: a job ends with all it started")


def sandbox(home: Home) -> Iterator[Finding]:
    """What keeps jobs apart, found by trying it as this user. An executor may have been told otherwise: ``node list``
    shows what each uses.
    """
    chosen = choose_sandbox(asked_for(None), home.root)
    if isinstance(chosen, Refusing):
        yield wrong("sandbox", f"jobs are refused: {chosen.why}", "see docs/operations.md, Isolation of jobs")
    elif isinstance(chosen, Unconfined):
        advice = "unset TREERING_SANDBOX, or set it to auto, unless you trust everybody who may submit jobs"
        yield warning("sandbox", "none: a job can read every key and every other job's files", advice)
    elif advice := chosen.weakness():
        yield warning("sandbox", chosen.said(), advice)
    else:
        yield ok("sandbox", chosen.said())
