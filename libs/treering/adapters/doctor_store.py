"""What an installation keeps: the second copy and the views, as files; alike whether treering runs or not."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from treering.adapters import sqlite_pages
from treering.adapters.backup import blob_files
from treering.adapters.backup_layout import file_hash
from treering.adapters.blob_check import BlobCheck, named_in
from treering.adapters.copy_sound import CHECK_SECONDS_MAX, copy_fault
from treering.adapters.damaged_blobs import counted, noted
from treering.adapters.findings import Finding, ok, warning, wrong
from treering.adapters.home_faults import faults
from treering.adapters.home_forms import form_faults
from treering.adapters.home_whole import missing_files
from treering.adapters.log_check import read_alarm
from treering.adapters.log_copy import FILE_NAME
from treering.adapters.names import proven_names
from treering.adapters.nats_process import running_pid
from treering.adapters.not_checked import unchecked, why_not
from treering.adapters.points_copy import POINTS_FILE
from treering.adapters.read_only import UNREADABLE, position_of, unsound
from treering.adapters.sqlite_faults import said
from treering.adapters.sqlite_places import SWAPPED, is_misplaced, misplaced
from treering.config import Home
from treering.kernel.blobs import PREFIX
from treering.kernel.clock import monotonic_seconds
from treering.kernel.refusal import Refused
from treering.kernel.shared_limits import LAG_MAX

SHOWN_MAX = 5
MEND = "treering blob verify, which says what uses it; with --mend-from BACKUP it is put back"
SEE = "nothing starts before; see docs/operations.md, when a home does not start"
HASH_SECONDS_MAX = 10.0


def installation(home: Home) -> Iterator[Finding]:
    """What a start looks at too, see ``home_faults``."""
    found = faults(home, with_log=False)
    for fault in found:
        if fault.fatal:
            yield wrong("home", fault.said, f"{fault.mends}; {SEE}")
        else:
            yield warning("home", fault.said, fault.mends)
    if any(form_faults(home)):
        why = "the rest was not looked at: what stands in the place of something else cannot be opened as it"
        yield warning("home", why, "do what is said above, and run `treering doctor` again")
    if found:
        return
    if not home.root.exists():
        yield warning(
            "home", f"{home.root} does not exist", "start treering there (treering up), or name another --home"
        )
    elif (home.root / "up.lock").exists() or home.nats.exists():
        yield ok("home", str(home.root))
    else:
        yield warning("home", f"nothing has run in {home.root} yet", "start treering there (treering up)")


def copy(home: Home) -> Iterator[Finding]:
    """The second copy: there, sound, and no alarm of an earlier comparison."""
    path = home.copy / FILE_NAME
    if not path.exists():
        found, makes = f"there is no second copy at {path}", "it makes one from the log"
        if running_pid(home.nats / "nats.conf", home.nats / "nats.pid"):
            advice = f"stop treering, then `treering log recopy`: {makes}, and compares it with what was signed"
            yield wrong("copy", found, advice)
        elif (home.nats / "store").exists() and not missing_files(home):  # else the home's faults have it
            yield warning("copy", found, f"start the monitor: {makes}")
        return
    advice = "stop treering, then `treering log recopy`: it makes the copy again from a log that is what was signed"
    elsewhere = {fault.path for fault in misplaced(home) if fault.code == SWAPPED}
    for one in (path, home.copy / POINTS_FILE):
        if one in elsewhere:  # that was said of the home
            continue
        try:
            if fault := copy_fault(one):
                yield wrong("copy", f"{one}: {fault}", advice)
            elif one == path:
                held = position_of(path, "commits") or 0
                yield ok("copy", f"{held:,} commits, the file is sound; `treering log verify` compares every byte")
        except (sqlite3.DatabaseError, OSError) as error:
            if not (why := why_not(error)):
                raise
            yield unchecked("copy", one, why)
    if alarm := read_alarm(home.copy):
        yield wrong("log", alarm, "stop treering, then `treering log verify` and `treering log restore`")


def blobs(home: Home) -> Iterator[Finding]:
    """What reading found (a blob that is not what was stored is refused, and noted), and what hashing finds now, for
    HASH_SECONDS_MAX."""
    if not home.blobs.exists():
        return
    changed, unread, all_hashed = hashed(home.blobs)
    for path, why in sorted(unread.items())[:SHOWN_MAX]:
        yield unchecked("blobs", path, why)
    found = sorted({*noted(home.blobs), *changed})
    for digest in found[:SHOWN_MAX]:
        say = wrong if digest in changed else warning
        yield say("blobs", f"{digest} is not what was stored, and is refused ({blob_path(home, digest)})", MEND)
    if len(found) > SHOWN_MAX:
        yield warning("blobs", f"{counted(found)} not what was stored, the first {SHOWN_MAX} are named above", MEND)
    gone = missing_blobs(home)
    for digest, users in gone[:SHOWN_MAX]:
        yield wrong("blobs", f"{blob_path(home, digest)} is gone, which the log names ({users[0]})", MEND)
    if len(gone) > SHOWN_MAX:
        yield wrong("blobs", f"{len(gone)} blobs are gone, the first {SHOWN_MAX} are named above", MEND)
    if not found and not unread and not gone:
        rest = "all were hashed" if all_hashed else "not all were hashed; `treering blob verify` does that"
        yield ok("blobs", f"no damaged one was met; {rest}")


def blob_path(home: Home, digest: str) -> Path:
    name = digest.removeprefix(PREFIX)
    return home.blobs / "sha256" / name[:2] / name


def hashed(folder: Path) -> tuple[set[str], dict[Path, str], bool]:
    """The blobs that are not what their name says, why others could not be read, and whether there was time for all."""
    changed: set[str] = set()
    unread: dict[Path, str] = {}
    until = monotonic_seconds() + HASH_SECONDS_MAX
    for digest, path in blob_files(folder):
        if monotonic_seconds() > until:
            return changed, unread, False
        try:
            if path.is_symlink() or not path.is_file() or digest.removeprefix(PREFIX) != file_hash(path):
                changed.add(digest)
        except OSError as error:
            if not (why := why_not(error)):
                raise
            unread[path] = why
    return changed, unread, True


def missing_blobs(home: Home) -> list[tuple[str, list[str]]]:
    """Those that the log names and that are not there, with who uses them, as far as HASH_SECONDS_MAX reach."""
    check, until = BlobCheck(home.blobs, home.copy / FILE_NAME), monotonic_seconds() + HASH_SECONDS_MAX
    try:
        for whose, digest in named_in(check.copy):
            check.follow_with_files(whose, digest)
            if monotonic_seconds() > until:
                break
    except Refused:
        return []  # the copy's own fault, named by its check
    return [(digest, check.users[digest]) for digest in sorted(check.problems)]


def names(home: Home) -> Iterator[Finding]:
    """People's names are those that the log was told."""
    found = proven_names(home)
    for why in found.wrong:
        advice = (
            "put the file back from a backup, or say the name again with `treering credential rename`, for all to see"
        )
        yield wrong("names", why, advice)
    if found.names and not found.wrong:
        yield ok("names", f"{len(found.names)} of people, each as the log was told")


def views(home: Home) -> Iterator[Finding]:
    """Every view file: sound, and near the end of the second copy. A bad one costs its rebuild and nothing else."""
    head = copied(home.copy / FILE_NAME)
    if not sqlite_pages.load():
        found = "this Python's SQLite cannot check pages: a view that is changed on the disk is served as it is"
        yield warning("views", found, "use a Python that loads SQLite as a library, with the package apsw installed")
    for path in sorted((home.root / "views").glob("*/*.db")):
        name = f"{path.parent.name}/{path.stem}"
        advice = f"start treering: it is made again when it is first read; or stop it and delete {path}"
        try:
            if is_misplaced(path):  # that was said of the home
                continue
            position = position_of(path, "checkpoint")
            fault = unsound(path, CHECK_SECONDS_MAX)
        except UNREADABLE as error:
            if why := why_not(error):
                yield unchecked("views", path, why)
                continue
            position, fault = None, said(error)
        if fault:
            yield wrong("views", f"{name}: {fault} ({path})", advice)
        elif position is None or head is None:
            yield ok("views", f"{name} is sound")
        elif position > head + LAG_MAX:
            yield wrong(
                "views", f"{name} is at {position:,}, and the second copy ends at {head:,}", "treering log verify"
            )
        elif head - position > LAG_MAX:
            advice = "it catches up while its service runs; a file that stays behind belongs to a service that does not"
            yield warning("views", f"{name} is {head - position:,} positions behind", advice)
        else:
            yield ok("views", f"{name} at position {position:,}")


def deliveries(home: Home) -> Iterator[Finding]:
    """What the webhooks have been told: of nothing else, so a damaged file is put back, or begun again."""
    path = home.deliveries
    if not path.exists():
        return
    try:
        fault = unsound(path, CHECK_SECONDS_MAX)
    except UNREADABLE as error:
        if why := why_not(error):
            yield unchecked("deliveries", path, why)
            return
        fault = said(error)
    if fault:
        advice = f"stop treering and put {path} back from a backup, or delete it: webhooks are then told again from "
        yield wrong("deliveries", f"{path}: {fault}", f"{advice}where each began")
    else:
        yield ok("deliveries", "what webhooks have been told is sound")


def copied(path: Path) -> int | None:
    try:
        return position_of(path, "commits") if path.exists() else None
    except sqlite3.DatabaseError:
        return None
