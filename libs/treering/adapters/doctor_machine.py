"""What the machine gives an installation: room, a clock, private keys, tools, and containment for jobs."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from uv import find_uv_bin

from treering.adapters.containment import choose
from treering.adapters.findings import Finding, ok, warning, wrong
from treering.adapters.free_space import MIB, room_in
from treering.adapters.log_copy import FILE_NAME
from treering.adapters.nats_credentials import outside_credentials
from treering.adapters.pythons import pyenv_pythons, running
from treering.adapters.read_only import last_commit
from treering.config import Home
from treering.kernel.clock import now

INODES_FREE_PERCENT_MIN = 5.0
CLOCK_SKEW_SECONDS_MAX = 2.0
BUILT = datetime(2026, 1, 1, tzinfo=UTC)  # a clock before this release was written is wrong for sure
CLOCK_AHEAD_MAX = timedelta(days=3650)
OWNER_ONLY = 0o077
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
    if not home.keys.exists() or not any(home.keys.iterdir()):
        yield ok("keys", "none yet: the first start makes them")
        return
    for name in SECRETS:
        if not (home.root / name).exists():
            yield wrong(
                "keys",
                f"{home.root / name} is not there",
                "restore it from a backup, or start treering: it makes a new one",
            )
    for path, why in outside_credentials(home.root)[1].items():
        if not is_open(path):  # said below
            yield wrong("keys", why, f"mend or remove {path}: nothing starts with it")
    open_ones = [path for path in secret_paths(home) if is_open(path)]
    for path in open_ones:
        mode = "700" if path.is_dir() else "600"
        yield wrong(
            "keys", f"{path} is open to others (mode {mode_of(path):o})", f"chmod {mode} {path}; then change the secret"
        )
    if not open_ones:
        yield ok(
            "keys", f"{sum(1 for path in secret_paths(home) if path.is_file())} files, readable by their owner only"
        )


def secret_paths(home: Home) -> list[Path]:
    return [path for path in (home.token_file, home.keys, *home.keys.rglob("*")) if path.exists()]


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def is_open(path: Path) -> bool:
    return bool(mode_of(path) & OWNER_ONLY)


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
