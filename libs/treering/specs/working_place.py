"""Finds what a command of a Dockerfile means by a path: where it runs, and which file of the context lies there."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from treering.kernel.refusal import Refused
from treering.kernel.url_secrets import without_secrets
from treering.specs.image_files import PACKAGE_FILES, ImageFiles, Placed, in_image
from treering.specs.install_commands import WITH_VALUE, spread
from treering.specs.pip_settings import indexes_of, refuse_config_files, refuse_mentions
from treering.specs.requirement_lines import CONSTRAINTS, INCLUDES, LOCAL, included_files
from treering.specs.shell_words import Command

BUILDKIT = re.compile(r"(?:--(?:mount|network|security)=\S+\s+)+")
SOURCED = frozenset({"activate", "conda.sh", ".bashrc", ".profile", "profile", ".bash_profile"})
NOWHERE = "/?"  # a working folder that only a running shell knows


class WorkingPlace:
    """Where commands run, and the files they find there; ``current`` is what ``cd`` leads to until its RUN ends."""

    def __init__(self, context: Path) -> None:
        self.context = context
        self.files = ImageFiles(context)
        self.working = "/"
        self.current = "/"
        self.read: set[Path | str] = set()  # the files that commands were given

    def work_in(self, written: str) -> None:
        """WORKDIR makes the folder, too."""
        self.working = in_image(written.strip("'\""), self.working)
        self.files.folders.add(self.working)

    def copy(self, rest: str, documents: tuple[str, ...], shown: str) -> list[Placed]:
        """COPY and ADD; what they placed."""
        before = len(self.files.placed)
        refuse_config_files(self.files.copy(rest, documents, self.working, shown), shown)
        refuse_config_files(self.files.settings(), shown)
        return self.files.placed[before:]

    def write(self, path: str, text: str | None, shown: str) -> None:
        """A command writes a file; what is in it cannot be known without a text."""
        refuse_config_files([path], shown)
        refuse_mentions(text or "", shown)
        self.files.write(in_image(path, self.current), text)

    def change_folder(self, words: list[str], line: str) -> None:
        """``cd`` in a part of a line that may not be run leads to nobody knows where."""
        branches = "(" in line or "||" in line or words[1:] == ["-"]
        self.current = NOWHERE if branches else in_image(" ".join(words[1:]) or "~", self.current)

    @contextmanager
    def mounted(self, rest: str, shown: str) -> Iterator[None]:
        """The files that ``--mount=type=bind`` shows to one RUN lie there until it ends."""
        before = list(self.files.placed)
        self.current = self.working
        flags = BUILDKIT.match(rest)
        for flag in flags[0].split() if flags else ():
            mount = dict(part.partition("=")[::2] for part in flag.removeprefix("--mount=").split(","))
            target = mount.get("target") or mount.get("dst") or mount.get("destination") or ""
            refuse_config_files([target], shown)
            indexes_of({mount["env"]: "unknown"} if mount.get("env") else {}, shown)
            if target and mount.get("type", "bind") == "bind":
                source = mount.get("source") or mount.get("src") or "."
                option = "--from=x " if "from" in mount else ""
                self.files.copy(f"{option}{source} {target}", (), self.working, shown)
        shown_now = self.files.placed[len(before) :]
        yield
        self.files.placed = [one for one in self.files.placed if one not in shown_now]

    def changed_files(self, one: Command, shown: str) -> None:
        """What a command writes cannot be known; a folder that it makes is one."""
        program, *others = one.words or [""]
        if one.writes:
            refuse_mentions(" ".join(one.words), shown)
        if program in (".", "source") and not self.is_harmless(others[:1]):
            said = f"{shown}: what {' '.join(one.words)[:100]!r} sets is not read; write it out in the line"
            raise Refused("environment.dockerfile", said)
        for path in [*one.writes, *(others[-1:] if program == "ln" else [])]:
            self.write(path, None, shown)
        if "uv" in one.words and self.files.file(in_image("uv.toml", self.current)) is not None:
            refuse_config_files(["uv.toml"], shown)
        if program == "mkdir":
            self.files.folders.update(in_image(path, self.current) for path in others if not path.startswith("-"))

    def is_harmless(self, sourced: list[str]) -> bool:
        """Scripts of virtual environments, conda and the user's shell, as the image has them."""
        path = in_image(sourced[0] if sourced else "", self.current)
        return posixpath.basename(path) in SOURCED and self.files.file(path) is None

    def package_folder(self, words: tuple[str, ...], shown: str) -> Path:
        """The folder of the context that the user's own packages, such as ``.`` or ``./lib``, are named from."""
        folder = None
        for before, word in pairwise(("", *spread(words))):
            if before in INCLUDES | CONSTRAINTS | WITH_VALUE:
                continue
            written = posixpath.normpath(word.partition("[")[0].removeprefix("file:"))
            if not LOCAL.fullmatch(word) or written.startswith(".."):
                continue
            package = self.files.folder(in_image(written, self.current))
            if package is None or self.current == NOWHERE or not package.match(written if written != "." else "*"):
                raise self.unknown(word, shown)
            self.read |= {package / name for name in PACKAGE_FILES}
            folder = package.parents[written.count("/")] if written != "." else package
        return folder or self.context

    def copied(self, written: str, shown: str) -> Path | str:
        """The file of the context, or the text that the Dockerfile wrote, at a path of the image.

        The files that it includes must be those that lie beside it in the image as well.
        """
        if "://" in written:
            said = (
                f"{shown}: {without_secrets(written)[:100]!r} is not fetched; put the file into the context and COPY it"
            )
            raise Refused("environment.dockerfile", said)
        path = in_image(written, self.current)
        found = self.files.file(path)
        if found is None or (self.current == NOWHERE and not written.startswith("/")):
            raise self.unknown(written, shown)
        self.read.add(found)
        if isinstance(found, Path):
            for beside in included_files(found):
                if self.files.file(in_image(beside, posixpath.dirname(path))) != found.parent / beside:
                    raise self.unknown(beside, shown)
                self.read.add(found.parent / beside)
        return found

    def unknown(self, written: str, shown: str) -> Refused:
        why = "no COPY of a file of the context puts it there"
        return Refused(
            "environment.dockerfile", f"{shown}: {written[:100]!r} cannot be read: {why}, and nothing is run"
        )
