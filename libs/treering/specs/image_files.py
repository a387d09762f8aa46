"""Knows which files of the build context lie where in an image: what COPY, ADD and here-documents put there.

Nothing is copied. A path of the image leads to a file of the context, to a text, or to what nobody can know here.
"""

from __future__ import annotations

import json
import posixpath
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from treering.kernel.refusal import Refused
from treering.kernel.url_secrets import without_secrets
from treering.specs.on_disk import FILE, FOLDER, lies_at, real

# Folders that every image has; a file that is copied to one of them lies in it.
OF_EVERY_IMAGE = frozenset({
    "/", "/tmp", "/root", "/opt", "/home", "/srv", "/etc", "/var", "/mnt", "/usr", "/usr/local", "/usr/src",
    "/usr/local/bin", "/usr/bin", "/var/tmp",
})  # fmt: skip
UNKNOWN = None
MATCHES_MAX = 1_000
OF_THE_MACHINE = (
    "/etc/pip.conf",
    "/etc/xdg/pip/pip.conf",
    "/usr/local/pip.conf",
    "/opt/conda/pip.conf",
    "/etc/uv/uv.toml",
)
OF_A_HOME = (".pip/pip.conf", ".config/pip/pip.conf", ".config/uv/uv.toml", ".pydistutils.cfg")
PACKAGE_FILES = ("pyproject.toml", "setup.py", "setup.cfg")


class Placed(NamedTuple):
    """``source``: a file or folder of the context, the text of a file, or ``UNKNOWN``."""

    target: str
    source: Path | str | None


class ImageFiles:
    """The files that a Dockerfile put into an image so far."""

    def __init__(self, context: Path) -> None:
        self.context = context
        self.placed: list[Placed] = []
        self.folders = set(OF_EVERY_IMAGE)

    def copy(self, rest: str, documents: tuple[str, ...], working: str, shown: str) -> list[str]:
        """Place what COPY or ADD names; the paths of the image that it writes."""
        words = copy_words(rest)
        options = [word for word in words if word.startswith("--")]
        *sources, target = [word for word in words if not word.startswith("--")] or [""]
        if not sources and not documents:
            raise Refused("environment.dockerfile", f"{shown}: it needs a source and a destination")
        elsewhere = any(word.startswith(("--from", "--exclude", "--parents")) for word in options)
        count = len(self.placed)
        end = in_image(target, working)
        found = [one for text in documents for one in [Placed(end, text)]]
        for written in sources:
            found += [Placed(end, UNKNOWN)] if elsewhere else self.sources(written, end, shown)
        into = target.endswith(("/", "/.")) or target in (".", "") or len(found) > 1 or end in self.folders
        for one in found:
            self.place(one, into)
        return [one.target for one in self.placed[count:]]

    def sources(self, written: str, end: str, shown: str) -> list[Placed]:
        """What one word of COPY names; a file of that name must be in the context."""
        if "://" in written or written.startswith("git@"):
            return [Placed(posixpath.join(end, PurePosixPath(written).name), UNKNOWN)]
        inside = posixpath.normpath(written.strip("/")) if written.strip("/") else "."
        matches = self.matches(inside)
        if not matches:
            said = f"{shown}: there is no {without_secrets(written)[:100]!r} in {str(self.context)!r}"
            raise Refused("environment.dockerfile", said)
        return [Placed(end, one) for one in matches]

    def matches(self, inside: str) -> list[Path]:
        if "$" in inside:
            return [self.context / inside]  # nothing lies there: what it is cannot be told
        root = real(self.context)
        if any(mark in inside for mark in "*?["):
            if inside.startswith(".."):
                return []
            return sorted(
                one for _, one in zip(range(MATCHES_MAX), self.context.glob(inside.replace("**", "*")), strict=False)
            )
        path = self.context / inside
        return [path] if lies_at(path) in (FILE, FOLDER) and real(path).is_relative_to(root) else []

    def place(self, one: Placed, into: bool) -> None:
        source = one.source
        if isinstance(source, Path) and lies_at(source) == FOLDER:
            self.folders.add(one.target)
        elif isinstance(source, Path) and into:
            one = Placed(posixpath.join(one.target, source.name), source)
        self.placed.append(one)
        self.folders.update(map(str, PurePosixPath(one.target).parents))

    def write(self, path: str, text: str | None) -> None:
        """A line of shell writes a file: its text, or None when only a running shell knows it."""
        self.placed.append(Placed(path, text))

    def file(self, path: str) -> Path | str | None:
        """The file of the context that lies at a path of the image, or the text; None when that cannot be told."""
        for one in reversed(self.placed):
            if one.target == path:
                source = one.source
                return None if isinstance(source, Path) and lies_at(source) != FILE else self.checked(source)
            if not is_below(path, one.target):
                continue
            if one.source is UNKNOWN:
                return None
            if isinstance(one.source, Path) and lies_at(one.source) == FOLDER:
                found = one.source / posixpath.relpath(path, one.target)
                if lies_at(found) == FILE:
                    return self.checked(found)
        return None

    def checked(self, source: Path | str | None) -> Path | str | None:
        if isinstance(source, Path) and not real(source).is_relative_to(real(self.context)):
            return None
        return source

    def folder(self, path: str) -> Path | None:
        """The folder of the context whose package lies at a path of the image."""
        for name in PACKAGE_FILES:
            found = self.file(posixpath.join(path, name))
            if isinstance(found, Path):
                return found.parent
        return None

    def settings(self) -> list[str]:
        """The paths where pip and uv look for their settings, and something lies."""
        homes = {"/root"} | {
            "/".join(one.target.split("/")[:3]) for one in self.placed if is_below(one.target, "/home")
        }
        places = [*OF_THE_MACHINE, *(f"{home}/{name}" for home in sorted(homes) for name in OF_A_HOME)]
        return [path for path in places if self.file(path) is not None]


def is_below(path: str, folder: str) -> bool:
    return path.startswith("/" if folder == "/" else f"{folder}/")


def in_image(written: str, working: str) -> str:
    """The whole path of one that is written from a working folder."""
    if written == "~" or written.startswith("~/"):
        written = f"/root{written[1:]}"
    found = posixpath.normpath(posixpath.join(working, written))
    return f"/{found.lstrip('/')}"


def copy_words(rest: str) -> list[str]:
    """Words of ``COPY a b /c`` or of ``COPY ["a", "b", "/c"]``."""
    words = rest.split()
    options = [word for word in words if word.startswith("--")]
    remaining = rest.split(maxsplit=len(options))[len(options) :]
    if remaining and remaining[0].startswith("["):
        try:
            found = json.loads(remaining[0])
        except ValueError:
            found = None
        if isinstance(found, list) and all(isinstance(word, str) for word in found):
            return [*options, *found]
    return [word.strip("'\"") for word in words]
