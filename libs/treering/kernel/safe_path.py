"""Paths that came from outside: checked once, here, and carried as a type of their own.

Azure ML inputs, artifact paths, archive members and log names all pass through ``SafePath.parse``;
nothing else in treering joins a foreign string to a folder.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from treering.kernel.refusal import Refused

CHARACTERS_MAX = 1024
SEGMENT_BYTES_MAX = 255
DECODINGS_MAX = 4
FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\]")
DRIVE = re.compile(r"[A-Za-z]:")
HOME = re.compile(r"~(?:$|[^/]*/)")  # a file "~$report.docx" is nobody's home


@dataclass(frozen=True)
class SafePath:
    """A relative POSIX path without ``..``, control characters, backslashes, drives or encodings of them."""

    text: str

    @classmethod
    def parse(cls, raw: str) -> SafePath:
        """Return the path as written, or raise ``Refused("path.unsafe")`` naming what is wrong with it."""
        if len(raw) > CHARACTERS_MAX:
            raise Refused("path.unsafe", f"a path has at most {CHARACTERS_MAX} characters, this one {len(raw)}")
        for form in decoded_forms(raw):
            check(form, raw)
        return cls("/".join(part for part in raw.split("/") if part not in ("", ".")))

    def under(self, root: Path) -> Path:
        """The path below ``root``. Symbolic links on the way that lead out of it are refused."""
        full = root / self.text
        if not full.resolve().is_relative_to(root.resolve()):
            raise Refused("path.unsafe", f"{self.text!r} leads out of its folder")
        return full


def decoded_forms(raw: str) -> list[str]:
    """The text as written and as each layer of %-encoding and Unicode folding would read it."""
    forms = [raw]
    for _ in range(DECODINGS_MAX):
        further = unicodedata.normalize("NFKC", unquote(forms[-1]))
        if further == forms[-1]:
            return forms
        forms.append(further)
    raise Refused("path.unsafe", f"{raw[:100]!r} is encoded more than {DECODINGS_MAX} times over")


def check(form: str, raw: str) -> None:
    shown = repr(raw[:100])
    if any("\ud800" <= character <= "\udfff" for character in form):
        raise Refused("path.unsafe", f"{shown} is not valid Unicode text")
    if FORBIDDEN.search(form):
        raise Refused("path.unsafe", f"{shown} has a control character or a backslash")
    if form.startswith("/"):
        raise Refused("path.unsafe", f"{shown} is absolute; a relative path is needed")
    if HOME.match(form):
        raise Refused("path.unsafe", f"{shown} begins with a folder '~', which is somebody's home; take another name")
    if DRIVE.match(form):
        raise Refused("path.unsafe", f"{shown} begins with a letter and ':', as a drive of Windows does")
    for part in form.split("/"):
        if part == "..":
            raise Refused("path.unsafe", f"{shown} climbs with '..'; stay below the folder")
        if len(part.encode()) > SEGMENT_BYTES_MAX:
            raise Refused("path.unsafe", f"{shown} has a part longer than {SEGMENT_BYTES_MAX} bytes")
