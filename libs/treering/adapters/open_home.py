"""Whether others on this machine can read the home, and the secrets in it."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from treering.config import Home
from treering.kernel.refusal import Refused

ENTER, READ_OR_WRITE = 0o011, 0o066  # of the group and of all others
OTHERS = 0o077


def refuse_open_secrets(home: Home) -> None:
    """``Refused("keys.open")`` when somebody else can read or change a file of secrets: whom it lets in is not known
    any more. A file in a folder that nobody else can enter is safe, whatever its own mode."""
    found = next(open_secrets(home), None)
    if found is not None:
        how = f"chmod 600 {found}, and `treering doctor` names them all; then change what others may have read"
        raise Refused("keys.open", f"others on this machine can read {found} (mode {mode_of(found):o}): {how}")


def open_secrets(home: Home) -> Iterator[Path]:
    if mode_of(home.root) & ENTER:
        yield from open_files([home.token_file] if home.token_file.is_file() else [])
        yield from below(home.keys)


def below(folder: Path) -> Iterator[Path]:
    if folder.is_symlink() or not mode_of(folder) & ENTER:
        return
    entries = sorted(folder.iterdir())
    yield from open_files([path for path in entries if path.is_file() and not path.is_symlink()])
    for path in entries:
        if path.is_dir():
            yield from below(path)


def open_files(files: list[Path]) -> Iterator[Path]:
    return (path for path in files if mode_of(path) & READ_OR_WRITE)


def open_folders(home: Home) -> list[str]:
    """What to say of each folder of the home that others could look into: the home itself, and those of secrets."""
    found = [home.root] if mode_of(home.root) & READ_OR_WRITE else []
    if home.keys.is_dir():
        inner = (path for path in home.keys.rglob("*") if path.is_dir() and not path.is_symlink())
        found += [path for path in (home.keys, *sorted(inner)) if mode_of(path) & OTHERS]
    return [f"others on this machine can look into {one} (mode {mode_of(one):o}): chmod 700 {one}" for one in found]


def mode_of(path: Path) -> int:
    """0 for what is not there: a home that was never used is open to nobody."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return 0
