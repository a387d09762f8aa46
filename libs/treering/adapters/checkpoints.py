"""What was signed about the log, by its own key and at its witnesses, and whether the log is still that one.

The second copy finds what was changed in the log. A checkpoint finds what was changed in both, and a log that
was set back together with its copy: it says how many commits there were, and the root of the tree over them.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from treering.adapters.log_copy import frontier_at, head_row
from treering.adapters.notes import NOTE_BYTES_MAX, NoteInvalid, TreeHead
from treering.adapters.signing import LOG_KEY_FILE, VerifierKey, read_log_key
from treering.adapters.sqlite_view import Database
from treering.adapters.sums import forget_sum, write_kept
from treering.config import Home
from treering.kernel.log import LogDamaged

CHECKPOINT_FILE = "checkpoint"
SERIES_MAX = 100
ADVICE = (
    "Nothing was written. Where a newer state of this home exists (another disk, a backup), put it back; "
    "`treering log restore` mends a log whose second copy is whole. What to do when neither helps is in docs/proof.md"
)


class Seen(NamedTuple):
    """A tree head and who has it: "the signed checkpoint ..." or "the witness ..."."""

    by: str
    head: TreeHead


def read_own(home: Home) -> Seen | None:
    """The last checkpoint that was signed here; LogDamaged when the file is not what was signed, None without one."""
    path = home.copy / CHECKPOINT_FILE
    if not path.exists():
        return None
    return Seen(f"the signed checkpoint {path}", opened(path.read_bytes(), log_key_of(home), f"the checkpoint {path}"))


def log_key_of(home: Home) -> VerifierKey:
    return read_log_key(home.keys).verifier


def opened(note: bytes, key: VerifierKey, what: str) -> TreeHead:
    """The tree head of a checkpoint that ``key`` signed; LogDamaged with the words for an operator when it did not."""
    try:
        return key.open_head(note[: NOTE_BYTES_MAX + 1])
    except NoteInvalid as error:
        raise LogDamaged(f"{what} is not one this log has signed: {error}. {ADVICE}") from None


def write_own(home: Home, note: bytes) -> None:
    write_kept(home.copy / CHECKPOINT_FILE, note)  # noted, so that it is missed when it is gone


def check_length(seen: Seen, last: int, what: str = "log") -> None:
    """LogDamaged when the log (or its copy) ends before what was ``seen``."""
    if last < seen.head.size:
        raise LogDamaged(
            f"the {what} ends at position {last}, but {seen.by} says it had {seen.head.size} commits: "
            f"those from position {last + 1} on are gone. {ADVICE}"
        )


def check_root(db: Database, seen: Seen) -> None:
    """LogDamaged unless the second copy begins with what was ``seen``; one that is not that long says nothing yet."""
    head = head_row(db)
    size = head.position if head else 0
    if size >= seen.head.size and frontier_at(db, seen.head.size).root() != seen.head.root:
        raise LogDamaged(
            f"the log is not the one that {seen.by} is of: a commit in positions 1 to {seen.head.size} was changed "
            f"after it was signed, in the log and in its second copy. {ADVICE}"
        )


def set_series_aside(home: Home) -> list[Path]:
    """Move the log's key and last checkpoint aside, so that the next start begins a new series; where they are now."""
    moved = []
    for path in (home.keys / LOG_KEY_FILE, home.copy / CHECKPOINT_FILE):
        asides = [path.with_name(f"{path.name}.old-{number}") for number in range(1, SERIES_MAX + 1)]
        free = next((aside for aside in asides if not aside.exists()), None)
        if free is None:
            raise LogDamaged(f"there are {SERIES_MAX} old series beside {path} already: move some away")
        if path.exists():
            forget_sum(path)
            moved.append(path.rename(free))
    return moved
