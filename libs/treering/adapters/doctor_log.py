"""The log of an installation that is down: a nats-server of our own on a copy of its store, compared with all there is.

The home is not touched: a server that opens a store may tidy it up, so it gets a copy that is deleted again.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

from treering.adapters.both_damaged import BOTH
from treering.adapters.checkpoints import CHECKPOINT_FILE
from treering.adapters.findings import Finding, ok, warning, wrong
from treering.adapters.free_space import MIB, room_in
from treering.adapters.log_copy import FILE_NAME, CopyDamaged, LogCopy
from treering.adapters.log_files import scrub_files
from treering.adapters.log_restore import bootstrap_client
from treering.adapters.log_verify import examined
from treering.adapters.nats_process import NatsServerError, running_pid
from treering.adapters.nats_server import NatsServer
from treering.adapters.not_checked import unchecked, why_not
from treering.adapters.points_copy import POINTS_FILE, PointsCopy
from treering.adapters.read_only import position_of
from treering.adapters.scratch import scratch_folder
from treering.adapters.signing import LOG_KEY_FILE
from treering.adapters.sqlite_places import SWAPPED, misplaced
from treering.adapters.streams import bootstrap
from treering.adapters.witnesses import all_seen, read_witnesses
from treering.config import Home
from treering.kernel.disk import CannotWrite
from treering.kernel.log import LogDamaged, LogUnavailable
from treering.kernel.refusal import Refused
from treering.views.queries import VerifyAnswer

STREAMS = ("EVT", "MET")
STORE_BYTES_MAX = 1024 * MIB
SUMS_MAX = 20_000
SEE = "docs/proof.md, when a start is refused"
RECOPY = "stop treering, then `treering log recopy`: it makes the copy again from a log that is what was signed"
REFUSED = {
    "log.key": "put the key back from the backup of the keys (docs/proof.md, when a start is refused)",
    "witness.malformed": "put the file back from a backup, or remove it and `treering witness add` them again",
}
NOT_LOOKED_AT = "`treering log verify` compares it, without starting the rest"


def log(home: Home) -> Iterator[Finding]:
    """Of a server that runs, its own check says more; of one that is down, all that `log verify` compares."""
    store = home.nats / "store"
    if running_pid(home.nats / "nats.conf", home.nats / "nats.pid"):
        yield from files(home)
        return
    if not store.exists():
        yield from gone(home, store)
        return
    if any(one.code == SWAPPED and one.path.parent == home.copy for one in misplaced(home)) or not store.is_dir():
        return  # that was said of the home
    size = sum(path.stat().st_size for path in store.rglob("*") if path.is_file())
    if not (home.copy / FILE_NAME).exists():
        return  # that is a finding already
    if size > STORE_BYTES_MAX or size > room_in(home.root).free_bytes // 2:
        yield warning("log", f"not compared: its store has {size / MIB:,.0f} MiB, too much to copy here", NOT_LOOKED_AT)
        return
    try:
        answer = asyncio.run(compared(home))
    except LogDamaged as damage:
        yield wrong("log", str(damage), RECOPY if isinstance(damage, CopyDamaged) else SEE)
    except Refused as refused:
        yield wrong("log", refused.detail, REFUSED.get(refused.code, SEE))
    except (LogUnavailable, NatsServerError) as error:
        yield warning("log", f"not compared: {error}", NOT_LOOKED_AT)
    except shutil.Error as error:  # a list of (source, target, why)
        path, _, why = error.args[0][0]
        yield unchecked("log", path, f"it could not be copied: {why}")
    except (CannotWrite, OSError) as error:
        if not (why := why_not(error)):
            raise
        yield unchecked("log", store, why)
    else:
        yield finding(answer)


def files(home: Home) -> Iterator[Finding]:
    """What a server that runs has on the disk, and both second copies; neither is asked of the server."""
    if not (home.copy / FILE_NAME).exists():
        return
    try:
        positions, points = asyncio.run(files_compared(home))
    except LogDamaged as damage:
        yield wrong("log", str(damage), RECOPY if isinstance(damage, CopyDamaged) else SEE)
    except (CannotWrite, OSError) as error:
        yield warning("log", f"its files were not compared: {error}", NOT_LOOKED_AT)
    else:
        said = f"the files of {positions:,} commits and {points:,} messages of metric points"
        yield ok("log", f"{said} are what their second copies hold")


async def files_compared(home: Home) -> tuple[int, int]:
    async with AsyncExitStack() as stack:
        found = []
        for copy in (LogCopy(home.copy / FILE_NAME), PointsCopy(home.copy / POINTS_FILE)):
            if copy.path.exists():
                stack.push_async_callback(copy.close)
                await copy.open()
                found.append(await scrub_files(home, copy, sums_max=SUMS_MAX))
        return found[0], sum(found[1:])


def gone(home: Home, store: Path) -> Iterator[Finding]:
    """The store is not there: well where nothing ran yet, and the log is lost where it is known to have been."""
    try:
        held = position_of(home.copy / FILE_NAME, "commits") if (home.copy / FILE_NAME).exists() else 0
    except sqlite3.DatabaseError:
        held = None
    if held:
        mends = "put it back, or have `treering log restore` write it again from the second copy"
        yield wrong("log", f"{store} is gone, and the second copy holds {held:,} commits", mends)
    elif held is None or (home.copy / CHECKPOINT_FILE).exists():
        yield wrong("log", f"{store} is gone, and commits were signed in {home.copy}", "put it back, or a backup")


def finding(answer: VerifyAnswer) -> Finding:
    if answer.ok:
        said = f"{answer.positions:,} commits and {answer.points:,} messages of metric points"
        return ok("log", f"{said} are what their second copies hold, and all that was signed")
    if BOTH in answer.why:
        said, _, mends = answer.why.partition(f"{BOTH}: ")
        return wrong("log", said + BOTH, mends)
    mends = "`treering log restore` writes it again from its second copy"
    if answer.damaged in STREAMS:
        return wrong("log", answer.why, mends if answer.first_bad else SEE)
    return wrong("log", answer.why, RECOPY)


def witnesses(home: Home) -> Iterator[Finding]:
    """Those that do not answer, or have lost what they had; what the others hold is compared with the log."""
    if not (home.keys / LOG_KEY_FILE).exists():
        return
    try:
        known = read_witnesses(home)
        silent = all_seen(home)[1]
    except LogDamaged as damage:
        yield wrong("witnesses", str(damage), SEE)
    except Refused as refused:
        yield wrong("witnesses", refused.detail, REFUSED.get(refused.code, SEE))
    else:
        advice = (
            "make it answer, or put back what it held; the next checkpoint goes there again (treering witness list)"
        )
        for why in silent:
            yield warning("witnesses", why, advice)
        if known and not silent:
            yield ok("witnesses", f"{len(known)} answer, with what this log signed")


def links_in(folder: str, names: list[str]) -> list[str]:
    """What is not copied: batches staged in memory, none of them acknowledged, which are gone when the machine was."""
    return [name for name in names if os.path.islink(os.path.join(folder, name))]


async def compared(home: Home) -> VerifyAnswer:
    with scratch_folder(".doctor-", home.root) as scratch:
        (scratch / "nats").mkdir(mode=0o700)
        await asyncio.to_thread(shutil.copytree, home.nats / "store", scratch / "nats" / "store", ignore=links_in)
        points = home.copy / POINTS_FILE
        async with AsyncExitStack() as stack:
            copy = LogCopy(home.copy / FILE_NAME)
            copy_of_points = PointsCopy(points if points.exists() else scratch / POINTS_FILE)
            for one in (copy, copy_of_points):
                stack.push_async_callback(one.close)
                await one.open()
            server = NatsServer(scratch)
            stack.push_async_callback(server.stop)
            await server.start()
            client = await stack.enter_async_context(bootstrap_client(server))
            await bootstrap(client)  # as a start does: settings of a stream that were lost are made again
            return await examined(client, copy, home, copy_of_points)
