"""Which folder, of which machine, a home was last started in: so that a copy of it is not taken for it.

A copy that starts beside its original would sign another history with the same key under the same name. So a start
notes where it is, and one that finds itself elsewhere is refused until somebody says what happened:

    the same machine and folder          starts (also after a rename, a reboot or another mount of it)
    another machine, or another folder   refused: ``--moved`` goes on as the same home, ``--new-epoch`` as another one

The number of a device may change with a reboot, so it is noted and not compared. The folder is known again by its
inode; on file systems without lasting inodes (FUSE, overlay, folders of a virtual machine's host) by its path. Inside a
container the machine's id belongs to the image, so there only the folder counts, unless TREERING_MACHINE_ID says it.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec
from msgspec import Struct

from treering.adapters.findings import Fault
from treering.adapters.sums import keep_sum, noted, write_kept
from treering.config import Home
from treering.kernel.decoding import decode
from treering.kernel.disk import may_pass
from treering.kernel.refusal import Refused

PLACE_FILE = "home.json"
PLACE_BYTES_MAX = 64 * 1024
MACHINE_VARIABLE = "TREERING_MACHINE_ID"
MACHINE_FILES = ("/etc/machine-id", "/var/lib/dbus/machine-id")
CONTAINER_FILES = ("/.dockerenv", "/run/.containerenv")
CONTAINER_VARIABLES = ("container", "KUBERNETES_SERVICE_HOST")
MARK = b"treering-home-1\n"  # machine-id(5): the id itself is not to leave the machine
LASTING = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "bcachefs", "tmpfs", "nfs", "nfs4"})
MOUNTS = Path("/proc/self/mountinfo")
ADVICE = (
    "If it was moved, and the other one never starts again: start it with `treering up --moved`. If it is a copy, and "
    "the other one goes on: `treering up --new-epoch` gives this one a log key and a name of its own"
)


class Place(Struct, frozen=True, omit_defaults=True):
    """``machine``: a digest, "" where it is not known. ``inode`` 0: the file system has no lasting ones."""

    path: str
    machine: str = ""
    device: int = 0
    inode: int = 0


def place_of(home: Home) -> Place:
    """Where the home is now."""
    about, root = home.root.stat(), home.root.resolve()
    lasting = filesystem_of(root) in LASTING
    return Place(str(root), machine_digest(), about.st_dev, about.st_ino if lasting else 0)


def check_place(home: Home, *, moved: bool = False) -> None:
    """Note where the home is; ``Refused("home.moved")`` when it was last started elsewhere, unless it was ``moved``."""
    here, before = place_of(home), None if moved else read_place(home)
    if before is not None and (why := difference(before, here)):
        raise Refused("home.moved", f"{why}. {ADVICE}")
    if here != before:
        note_place(home, here)
    elif not noted(home.root / PLACE_FILE):
        keep_sum(home.root / PLACE_FILE)  # of an earlier release


def place_faults(home: Home) -> list[Fault]:
    """Why a start would be refused that says nothing of a move; a home of an earlier release was noted nowhere yet."""
    path = home.root / PLACE_FILE
    try:
        before = read_place(home)
    except Refused as refused:
        said, _, mends = refused.detail.rpartition(". ")
        return [Fault(path, said, mends, refused.code)]
    if before is None and noted(path):
        why = f"{path} is gone, which says of which machine and folder this home is: so it may be a copy of another one"
        return [Fault(path, why, f"put it back. {ADVICE}", "home.incomplete")]
    if before is not None and (why := difference(before, place_of(home))):
        return [Fault(path, f"{why} (as {path} says)", ADVICE, "home.moved")]
    return []


def is_elsewhere(home: Home) -> bool:
    """Whether it was last started elsewhere. The addresses in a copy lead to its original, which takes the credentials
    of the copy, but knows nothing of its files."""
    return any(one.code == "home.moved" for one in place_faults(home))


def difference(before: Place, here: Place) -> str:
    if before.machine and here.machine and before.machine != here.machine:
        return f"the home {here.path} was last started on another machine (there it was {before.path})"
    if before.inode and here.inode:
        if before.inode != here.inode:
            return f"the home {here.path} is not the folder that was last started, which was {before.path}"
    elif before.path != here.path:
        return f"the home {here.path} was last started as {before.path}"
    return ""


def read_place(home: Home) -> Place | None:
    """None where nothing was noted yet, as in homes of earlier releases."""
    path = home.root / PLACE_FILE
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return decode(data, Place, code="home.malformed", bytes_max=PLACE_BYTES_MAX)
    except Refused as refused:
        mends = "If this home was neither moved nor copied, start it with `treering up --moved`"
        why = f"{path} cannot be read ({refused.detail}). {mends}"
        raise Refused("home.malformed", why) from None


def note_place(home: Home, here: Place) -> None:
    """On a disk that takes nothing now the next start notes it."""
    try:
        write_kept(home.root / PLACE_FILE, msgspec.json.format(msgspec.json.encode(here)) + b"\n")
    except OSError as error:
        if not may_pass(error):
            raise


def machine_digest() -> str:
    """Of the id of this machine; "" where none is known that lasts."""
    said = os.environ.get(MACHINE_VARIABLE, "")
    if not said and not in_container():
        said = next((text for path in MACHINE_FILES if (text := text_of(Path(path)))), "")
    usable = said and said != "uninitialized"
    return hashlib.sha256(MARK + said.encode()).hexdigest()[:32] if usable else ""


def in_container() -> bool:
    return any(Path(path).exists() for path in CONTAINER_FILES) or any(map(os.environ.get, CONTAINER_VARIABLES))


def text_of(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def filesystem_of(path: Path) -> str:
    """The type of the file system that ``path`` is on (proc_pid_mountinfo(5)); "" when that is not known."""
    best, found = "", ""
    for line in text_of(MOUNTS).splitlines():
        before, _, after = line.partition(" - ")
        point = before.split(" ")[4].encode().decode("unicode_escape")
        if len(point) >= len(best) and path.is_relative_to(point):
            best, found = point, after.split(" ")[0]
    return found
