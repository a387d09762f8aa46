"""Are the secret files of a home what was written? Asked before a start, by ``doctor``, and for ``/readyz``."""

from __future__ import annotations

import os
import stat
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from treering.adapters.home_files import Row, kept_files, name_of, row_of
from treering.adapters.home_place import PLACE_FILE
from treering.adapters.names import read_names
from treering.adapters.nats_credentials import CredentialMissing, read_credential
from treering.adapters.not_checked import why_not
from treering.adapters.sealed_store import SealedStore
from treering.adapters.signing import read_log_key
from treering.adapters.subscribers import Subscribers
from treering.adapters.sums import FOLDER, hash_of, is_named, keep_sum, noted, notes_of, sum_file
from treering.adapters.tokens import TokenUnsafe, secret_at
from treering.adapters.witnesses import WITNESSES_FILE, read_witnesses
from treering.config import Home
from treering.kernel.clock import monotonic_seconds
from treering.kernel.refusal import Refused

OTHERS = 0o077
OPEN = "is open to others"
UNREAD = "cannot be read now"
PUT_BACK = "put it back from a backup of the keys"
REREAD_SECONDS = 60.0
NOTES = Row(FOLDER, "the hashes of the secret files", "sealing")
SEALED = {"webhooks": "webhook-seal.key", "values": "values-seal.key", "witnesses": "witness-seal.key"}


class Broken(NamedTuple):
    """A secret file that is not what was written, or a folder whose secret files are all gone. ``fatal``: nothing may
    start with it."""

    path: Path
    row: Row
    why: str

    @property
    def fatal(self) -> bool:
        return self.row.care == "secret"

    @property
    def is_open(self) -> bool:
        return self.why.startswith(OPEN)

    def __str__(self) -> str:
        return f"{self.path} ({self.row.what}) {self.why}"


def broken_secrets(home: Home) -> list[Broken]:
    """All of them, those first with which nothing may start."""
    found, files = [], kept_files(home)
    for path in files:
        row = row_of(name_of(home, path))
        if row is not None and (why := fault_of(home, path)):
            found.append(Broken(path, row, why))
    found = [*folders_as_one(home, files, found), *notes_gone(home, files)]
    return sorted(found, key=lambda one: (not one.fatal, one.path))


def folders_as_one(home: Home, files: list[Path], found: list[Broken]) -> list[Broken]:
    """Where all files of a folder are gone, one finding of the folder in place of one of each file."""
    due = Counter(path.parent for path in files)
    gone = Counter(one.path.parent for one in found if not one.path.exists())
    empty = {folder for folder, count in gone.items() if 1 < count == due[folder] and folder != home.root}
    whole = [one for one in found if one.path.parent not in empty]
    for folder in sorted(empty):
        row = next(one.row for one in sorted(found, key=lambda one: not one.fatal) if one.path.parent == folder)
        without = f"or remove the notes in {notes_of(folder)} to go on without them"
        why = f"has none of its {due[folder]} files any more: {PUT_BACK}, {without}"
        whole.append(Broken(folder, row, why))
    return whole


def notes_gone(home: Home, files: list[Path]) -> list[Broken]:
    """The folder of notes, when none is left although a start, which made them, has noted the place of this home."""
    if not files or not (home.root / PLACE_FILE).exists() or any(noted(path) for path in files):
        return []
    why = (
        f"has no hash of the {len(files)} secret files any more, so none is known to be what was written: compare them "
        "with a backup of the keys; the next start notes them as they are"
    )
    return [Broken(home.root / FOLDER, NOTES, why)]


def refuse_broken(home: Home) -> list[Broken]:
    """Those that a start can do without; ``Refused("home.damaged")`` names all when there are others."""
    found = broken_secrets(home)
    if any(one.fatal for one in found):
        raise Refused("home.damaged", "; ".join(str(one) for one in found))
    return found


def keep_new_sums(home: Home) -> None:
    """Note the hash of each file that has none yet and can be read as what it is."""
    for path in kept_files(home):
        if not (noted(path) and is_named(path)) and not fault_of(home, path):
            keep_sum(path)


def fault_of(home: Home, path: Path) -> str:
    """What is wrong with one secret file, and what to do; "" when nothing is."""
    note, known = sum_file(path), noted(path)
    try:
        mode, data = stat.S_IMODE(path.stat().st_mode), path.read_bytes()
    except FileNotFoundError:
        return f"is gone: put it back from a backup of the keys, or remove {note} to go on without it"
    except OSError as error:
        return f"{UNREAD}: {error.strerror}" if why_not(error) else f"cannot be read ({error.strerror}): {PUT_BACK}"
    if mode & OTHERS and path.name != WITNESSES_FILE:  # which holds no secret
        return f"{OPEN} (mode {mode:o}): set it to 600, then change the secret"
    if known and hash_of(data) not in known:
        return (
            "is not what was written (or its hash is not): put it back from a backup of the keys; "
            f"if you changed it yourself, remove {note}"
        )
    if known:
        return ""
    try:
        read_as_what_it_is(home, path)
    except (Refused, CredentialMissing, TokenUnsafe) as error:
        said = error.detail if isinstance(error, Refused) else str(error)
        return f"cannot be used: {said}; put it back from a backup of the keys, or remove it and {note}"
    except UnicodeDecodeError:
        return f"is no text: put it back from a backup of the keys, or remove it and {note}"
    return ""


def read_as_what_it_is(home: Home, path: Path) -> None:
    """Raises what the reader of such a file raises."""
    name = name_of(home, path)
    match path.relative_to(home.root).parts:
        case ("token",) | (
            "keys",
            "join-token" | "job-token.key" | "webhook-seal.key" | "values-seal.key" | "witness-seal.key",
        ):
            secret_at(path)
        case ("keys", "log.key"):
            read_log_key(home.keys)
        case ("keys", "actors.json"):
            read_names(home)
        case ("witnesses.json",):
            read_witnesses(home)
        case ("keys", "nats", _) if name.endswith(".json"):
            read_credential(home.root, path.stem)
        case ("keys", "subscribers", _) if name.endswith(".json"):
            Subscribers(home.keys).load(path)
        case ("keys", "webhooks" | "values" | "witnesses" as folder, _) if name.endswith(".sealed"):
            key = home.keys / SEALED[folder]
            if key.is_file():  # its own fault otherwise
                SealedStore(path.parent, key).get(path.name.removesuffix(".sealed"))
        case _:
            pass


class SecretsWatch:
    """``broken_secrets`` for whoever asks often: files whose status is as it was are read again once a minute."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.seen: object = None
        self.read_at_seconds = 0.0
        self.found: list[Broken] = []

    def look(self) -> list[Broken]:
        seen = statuses(self.home)
        now = monotonic_seconds()
        if seen != self.seen or now - self.read_at_seconds > REREAD_SECONDS:
            self.found, self.seen, self.read_at_seconds = broken_secrets(self.home), seen, now
        return self.found


def statuses(home: Home) -> dict[str, tuple[int, ...]]:
    """What changes when a secret file, or what was noted of one, is changed, is gone or is new, by path. Of every file
    there: this is asked every two seconds between the requests, and to tell which of them are secret takes 100 times as
    long."""
    found = {str(path): status_of(path) for path in (home.token_file, home.root / WITNESSES_FILE)}
    folders = [str(home.keys), str(home.root / FOLDER)]
    while folders:
        with suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    found[entry.path] = status_of(entry.path)
    return found


def status_of(path: Path | str) -> tuple[int, ...]:
    try:
        about = os.stat(path)
    except OSError:
        return ()
    return (about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_mode)
