"""Notes, in files beside the blobs, which of them were found damaged: for doctor, /readyz and whoever restarts.

``<blobs>/damaged/<hex of the digest>``, empty. Whichever process reads the blob writes the note, because the gateway,
the executor and a backup may be different ones. Who finds the blob well again (a new upload, ``blob verify``) removes
it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from treering.kernel.blobs import DIGEST, PREFIX

NOTES_MAX = 1000
FOLDER = "damaged"


def note_damaged(root: Path, digest: str) -> None:
    """A disk that takes no note must not hide the refusal, so nothing is raised."""
    if len(noted(root)) >= NOTES_MAX:
        return
    with suppress(OSError):
        (root / FOLDER).mkdir(mode=0o700, exist_ok=True)
        (root / FOLDER / digest.removeprefix(PREFIX)).touch(mode=0o600)


def note_well(root: Path, digest: str) -> None:
    with suppress(OSError):
        (root / FOLDER / digest.removeprefix(PREFIX)).unlink(missing_ok=True)


def noted(root: Path) -> Sequence[str]:
    """The digests of the blobs that were found damaged, sorted; about NOTES_MAX at most."""
    try:
        names = sorted(path.name for path in (root / FOLDER).iterdir())
    except OSError:
        return ()
    return [PREFIX + name for name in names if DIGEST.fullmatch(PREFIX + name)]


def counted(digests: Sequence[str]) -> str:
    return "1 blob is" if len(digests) == 1 else f"{len(digests)} blobs are"
