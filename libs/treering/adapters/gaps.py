"""Names what a tree is to be without: files that cannot be stored, each with the reason.

Who uploads a folder is there to mend it, so the first such file refuses the whole (``refuse``). What a job left can
nobody mend any more, so all the rest is stored and the gaps are named (``Gaps.add``).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

from treering.kernel.refusal import Refused

PATH_CHARACTERS_MAX = 300
REASON_CHARACTERS_MAX = 600

LeaveOut = Callable[[str, Refused], None]


class Gap(NamedTuple):
    """``path`` is for people: a name may be no text at all."""

    path: str
    code: str
    reason: str


def refuse(path: str, refused: Refused) -> None:
    raise refused


class Gaps:
    """Counts every gap, and keeps the first ``kept_max``."""

    def __init__(self, kept_max: int) -> None:
        self.kept_max = kept_max
        self.kept: list[Gap] = []
        self.count = 0

    def add(self, path: str, refused: Refused) -> None:
        """Raises what is not about the tree: a full disk, say."""
        if not refused.code.startswith(("tree.", "path.")):
            raise refused
        self.count += 1
        if len(self.kept) < self.kept_max:
            self.kept.append(Gap(readable_path(path), refused.code, shortened(refused.detail, REASON_CHARACTERS_MAX)))


def readable_path(path: str) -> str:
    """A path as people can read and type it: bytes that are no UTF-8, and marks that nobody sees, as escapes."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    seen = "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
    return shortened(seen, PATH_CHARACTERS_MAX) or "."


def shortened(text: str, characters_max: int) -> str:
    return text if len(text) <= characters_max else f"{text[: characters_max - 3]}..."
