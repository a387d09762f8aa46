"""What the small secret files of a home hold, noted apart: their SHA-256 below ``<home>/sums``, under the same path.

A password or a token carries no checksum: with one bit changed it only looks like another one. The note is written by
whoever writes the file; a file without one (a home of an earlier release) gets its note at the next start.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from treering.adapters.private_files import write_private
from treering.kernel.disk import may_pass

FOLDER = "sums"
KEYS = "keys"
BESIDE = ("token", "witnesses.json", "home.json")  # in the home itself
SIGNED = ("copy", "checkpoint")
SUM_BYTES_MAX = 1024


def sum_file(path: Path) -> Path | None:
    """Where the hash of ``path`` is noted; None for what is no secret file of a home (a backup, a witness's file)."""
    parts = path.parts
    if KEYS in parts[:-1]:
        at = len(parts) - 1 - parts[::-1].index(KEYS)
        return Path(*parts[:at], FOLDER, *parts[at:])
    if parts[-2:] == SIGNED:
        return path.parent.with_name(FOLDER).joinpath(*SIGNED)
    return path.with_name(FOLDER) / path.name if path.name in BESIDE else None


def notes_of(folder: Path) -> Path:
    """Where the hashes of the files in a folder of secrets are noted."""
    note = sum_file(folder / "x")
    assert note is not None, f"{folder} is no folder of secrets"
    return note.parent


def name_in(note: Path) -> str:
    """Which file of its home a note is of: it stands in the note, so that notes which changed places are seen."""
    parts = note.parts
    at = len(parts) - 1 - parts[::-1].index(FOLDER)
    return "/".join(parts[at + 1 :])


def write_kept(path: Path, data: bytes) -> None:
    """Write ``path`` as ``write_private`` does, and note its hash. When this is broken off, file and note agree."""
    note = sum_file(path)
    if note is None:
        write_private(path, data)
        return
    if path.exists():  # both are right until the new file is there
        note_down(note, hash_of(path.read_bytes()), hash_of(data))
    write_private(path, data)
    note_down(note, hash_of(data))


def keep_sum(path: Path) -> None:
    """Note the hash of a file that is there already; a full or read-only disk leaves that to the next start."""
    note = sum_file(path)
    if note is None:
        return
    try:
        note_down(note, hash_of(path.read_bytes()))
    except OSError as error:
        if not may_pass(error) and not isinstance(error, FileNotFoundError | PermissionError):
            raise


def note_down(note: Path, *hashes: str) -> None:
    note.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(note, "".join(f"{one} {name_in(note)}\n" for one in hashes).encode())


def remove_kept(path: Path) -> None:
    """Take the file away on purpose: its note goes first, so that it is never missed."""
    forget_sum(path)
    path.unlink(missing_ok=True)


def forget_sum(path: Path) -> None:
    if note := sum_file(path):
        note.unlink(missing_ok=True)


def noted(path: Path) -> list[str]:
    """The hashes that are right for ``path``; none when nothing was noted. A note of another file has none right."""
    return [hash for hash, name in lines_of(path)]


def is_named(path: Path) -> bool:
    """Whether the note says of which file it is; one of an earlier release does not."""
    return all(name for _, name in lines_of(path))


def lines_of(path: Path) -> list[tuple[str, str]]:
    """(hash, name) for each line of the note of ``path``; the hash is "" where the name is that of another file."""
    note = sum_file(path)
    if note is None or not note.is_file():
        return []
    with note.open("rb") as file:
        lines = [line.partition(" ") for line in file.read(SUM_BYTES_MAX).decode(errors="replace").splitlines() or [""]]
    return [(hash if name in ("", name_in(note)) else "", name) for hash, _, name in lines]


def hash_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
