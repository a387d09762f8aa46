"""How far a run of uv is, which says little itself: packages that are ready, bytes, and what takes long.

What it says are lines about large downloads. What is ready stands in its cache, under the name and the version of each
package, and a package that is built is the current folder of the build. Where a later uv keeps them elsewhere, the
bytes still move and the rest is not shown.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from treering.adapters.process_tree import all_processes, read, tree
from treering.adapters.uv_words import URL
from treering.kernel.clock import monotonic_seconds
from treering.kernel.meter import amount, begin, describe, moved, reach

WATCH_SECONDS = 1.0
BUSY_SHOWN_MAX = 3
NAME_CHARACTERS_MAX = 80
LINE_BYTES_MAX = 4096
BEGAN = re.compile(r"\s*Downloading (\S+) (\(.+\))$")
ENDED = re.compile(r"\s*Downloaded (\S+)$")
COMPILING = "compiling to byte code"
PHASES = {"Prepared": "copying into the environment", "Installed": COMPILING}
BUILT_IN = re.compile(r"/sdists-v\d+/(?:[^/]+/){1,2}?([^/]+)/([^/]+)/[^/]+/src(/|$)")
POINTERS = (".lock", ".http", ".msgpack", ".rev")  # what stands beside a package before it is ready


class Package(NamedTuple):
    name: str
    version: str


class Seen(NamedTuple):
    """What one look at the processes and the cache says."""

    bytes_done: int
    building: frozenset[str]
    ready: frozenset[Package]


class UvProgress:
    """Of one run. ``packages`` are those that it is to get ready; none where it only solves. ``phase``: what it does
    with those that are ready."""

    def __init__(self, packages: Sequence[Package] = (), phase: str = "") -> None:
        self.missing = set() if phase else set(packages)
        self.total = len(packages)
        self.busy: dict[str, float] = {}  # what it does, and since when
        self.phase = phase
        self.bytes_done = 0
        self.partial = b""

    def hear(self, data: bytes) -> None:
        """What uv prints, as it comes."""
        *lines, rest = (self.partial + data).split(b"\n")
        self.partial = rest[-LINE_BYTES_MAX:]
        for line in lines:
            self.heed(line.decode(errors="replace"))

    def heed(self, line: str) -> None:
        if found := BEGAN.match(line):
            self.busy[f"downloading {shown(found[1])} {found[2][:20]}"] = monotonic_seconds()
        elif found := ENDED.match(line):
            begun = f"downloading {shown(found[1])} "
            self.busy = {what: since for what, since in self.busy.items() if not what.startswith(begun)}
        else:
            self.phase = PHASES.get(line.partition(" ")[0], self.phase)

    async def watch(self, pid: int, cache: Path) -> None:
        """Count for whoever waits, until cancelled."""
        begin(self.total, "packages" if self.total else "bytes")
        while True:
            self.take(await asyncio.to_thread(look, pid, cache, frozenset(self.missing)))
            self.tell()
            await asyncio.sleep(WATCH_SECONDS)

    def take(self, seen: Seen) -> None:
        if seen.bytes_done > self.bytes_done:
            self.bytes_done = seen.bytes_done
            moved()
        now = monotonic_seconds()
        going_on = {what: since for what, since in self.busy.items() if what.startswith("downloading ")}
        self.busy = going_on | {what: self.busy.get(what, now) for what in seen.building}
        self.missing -= seen.ready

    def tell(self) -> None:
        done = self.total - len(self.missing) if self.total else self.bytes_done
        reach(self.total if self.phase else done)
        parts = [f"{amount(self.bytes_done, 'bytes')} written"] if self.total else []
        parts += [self.phase] if self.phase else list(self.what_takes_long())
        describe(", ".join(parts))

    def what_takes_long(self) -> Iterator[str]:
        now = monotonic_seconds()
        longest = sorted(self.busy.items(), key=lambda one: one[1])
        for what, since in longest[:BUSY_SHOWN_MAX]:
            yield f"{what} for {now - since:.0f} s"
        if len(longest) > BUSY_SHOWN_MAX:
            yield f"{len(longest) - BUSY_SHOWN_MAX} more"


def look(pid: int, cache: Path, missing: frozenset[Package]) -> Seen:
    """Takes some milliseconds, and a stat of each package that is missing."""
    pids = tree({pid}, all_processes())
    places = list(places_in(cache)) if missing else []
    return Seen(
        written_bytes(pids),
        frozenset(f"building {shown(name)}" for name in built_now(pids)),
        frozenset(one for one in missing if any(is_ready(place, one) for place in places)),
    )


def shown(name: str) -> str:
    text = URL.sub("an address", name)
    return "".join(one for one in text if one.isprintable())[:NAME_CHARACTERS_MAX]


def written_bytes(pids: set[int]) -> int:
    """By a process and its descendants: in a sandbox uv is not the process that we started (proc_pid_io(5))."""
    lines = [line for pid in pids for line in read(f"/proc/{pid}/io").splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("wchar:"))


def built_now(pids: set[int]) -> Iterator[str]:
    """NAME==VERSION of the packages whose source is the current folder of one of the processes."""
    for pid in pids:
        with suppress(OSError):
            if found := BUILT_IN.search(os.readlink(f"/proc/{pid}/cwd")):
                yield f"{found[1]}=={found[2]}"


def places_in(cache: Path) -> Iterator[Path]:
    """The folders of the cache that have packages by their names."""
    for kind in ("wheels-v*", "sdists-v*"):
        for top in cache.glob(kind):
            yield top / "pypi"
            yield from top.glob("index/*")


def is_ready(place: Path, package: Package) -> bool:
    """Downloaded and unpacked, or built."""
    folder = place / package.name
    with suppress(OSError):
        begins = f"{package.version}-"
        names = (one.name for one in folder.iterdir())
        if any(name.startswith(begins) and not name.endswith(POINTERS) for name in names):
            return True
    return any(folder.glob(f"{package.version}/*/*.whl"))
