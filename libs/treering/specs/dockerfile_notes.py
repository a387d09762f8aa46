"""Says what a Dockerfile that is accepted has and an environment does not: files, users, variables of the image."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath

from treering.specs.image_files import Placed
from treering.specs.install_commands import CONDA
from treering.specs.on_disk import FILE, lies_at
from treering.specs.shell_words import Command

CHANGING = frozenset({
    "mkdir", "touch", "ln", "chmod", "chown", "useradd", "adduser", "groupadd", "addgroup", "usermod", "ldconfig",
})  # fmt: skip
CHANNELS = frozenset({"-c", "--channel", "channels"})
LEFT_OUT = frozenset({"LD_LIBRARY_PATH", "HOME", "PYTHONHOME"})
NOBODY_READS = frozenset({"/dev/null", "/dev/stdout", "/dev/stderr"})


def of_files(placed: Iterable[Placed], read: Collection[Path | str]) -> str:
    """Whether COPY or ADD brings more than the files that pip and conda were given; "" when it does not."""
    more = [one for one in placed if not (one.source in read and is_single(one.source))]
    if not more:
        return ""
    return "the files it copies are only read to install packages; a job has its code and inputs, so give them as these"


def is_single(source: Path | str | None) -> bool:
    return isinstance(source, str) or (source is not None and lies_at(source) == FILE)


def of_command(one: Command) -> str:
    """What a command beside the installing ones leaves in an image; "" when it leaves nothing."""
    program = one.words[0] if one.words else ""
    if PurePosixPath(program).name in CONDA and any(
        word in CHANNELS or word.startswith("--channel=") for word in one.words
    ):
        return "channels of conda are not asked: packages come from the package index"
    writes = [path for path in one.writes if path not in NOBODY_READS]
    if program not in CHANGING and not writes:
        return ""
    shown = " > ".join([program, *writes])[:100]  # without its other words: one may be secret
    return f"{shown!r} is left out: there is no image whose files it could change"


def of_variables(names: Iterable[str]) -> str:
    left_out = sorted(LEFT_OUT & set(names))
    return f"{', '.join(left_out)} is left out: it is about the folders of the image" if left_out else ""
