"""Python environments by their content: solved once, installed once, then shared and never changed.

``locks/<spec>.txt`` is the solution of a spec, with a hash of every file; ``<key>/`` the environment, where
the key is the SHA-256 of what was asked for, the Python, the platform and the lock. An environment is made
under another name and gets its own when it is complete. One that a job changed nevertheless is made again.
"""

from __future__ import annotations

import hashlib
import os
import sysconfig
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from anyio.to_thread import run_sync

from treering.adapters.builds import Builds, Say
from treering.adapters.environment_lock import checked_lock, packages_of
from treering.adapters.file_lock import file_lock
from treering.adapters.package_indexes import uv_indexes
from treering.adapters.pythons import Python, find_python, running
from treering.adapters.remove_tree import remove_tree
from treering.adapters.sandbox.python_paths import chain
from treering.adapters.seals import intact, seal
from treering.adapters.tree_walk import below
from treering.adapters.uv import Uv
from treering.adapters.uv_failures import in_time, output_of
from treering.domain.job_spec import EnvironmentSpec
from treering.kernel.clock import monotonic_seconds
from treering.kernel.refusal import Refused
from treering.specs.requirements import requirements

SOLVE_TIMEOUT_SECONDS = 600.0
INSTALL_TIMEOUT_SECONDS = 1800.0
WAIT_SECONDS = SOLVE_TIMEOUT_SECONDS + INSTALL_TIMEOUT_SECONDS
ABANDONED_SECONDS = 24 * 60 * 60
# For this machine and Python alone, which a lock names: a universal solution may choose versions that have files for
# other systems only.
SOLVE = ["pip", "compile", "--generate-hashes", "--no-header", "--no-annotate", "--quiet"]
# Links to uv's cache would let a job that edits a file in site-packages edit the cache, and so every environment
# made from it; file modes do not keep root from it, and "clone" quietly becomes a link where the filesystem cannot
# clone. Copies cost about two seconds and the disk space, once per environment. Byte code is compiled here because
# a job cannot store it in a read-only folder, and would compile at every start.
INSTALL = ["pip", "sync", "--require-hashes", "--link-mode", "copy"]
# After these the lock is solved again the next time.
SPOILED = frozenset({"environment.unsolvable", "environment.install_failed", "environment.build_failed"})
READABLE = 0o644  # a build may run as another user, and uv's input is no secret
QUICK_SECONDS = 0.002
QUICK_MAX = 1000


class Asked(NamedTuple):
    """``version`` of Python, requirements, the package indexes beside the installation's own as uv names them, and the
    versions that will do of what is not required itself."""

    version: str
    wanted: tuple[str, ...]
    indexes: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()


class Environments:
    """The environments below ``root``, which several processes may share."""

    def __init__(self, root: Path, uv: Uv | None = None, indexes: Mapping[str, str] | None = None) -> None:
        """``uv``: what confines builds; without one they run with the rights of the caller. ``indexes``: the names of
        the package indexes that environments may name, by their addresses."""
        self.root = root
        self.indexes = indexes or {}
        self.uv = uv or Uv()
        self.locks = root / "locks"
        self.quick: set[Path] = set()  # locks of environments so small that a look at all their files is quick
        self.builds = Builds()
        self.locks.mkdir(parents=True, exist_ok=True, mode=0o700)

    async def ready(self, spec: EnvironmentSpec, say: Say) -> Path:
        """The Python executable of the environment of ``spec``, made if need be; ``say`` is told the steps.

        Raises ``Refused``: ``environment.`` ``requirement``, ``python_invalid``, ``python_absent``,
        ``unsolvable``, ``build_failed``, ``install_failed``, ``index_unreachable``, ``lock_invalid``, ``timeout``;
        ``lock.busy``; ``disk.full``; and ``sandbox.*`` where builds cannot be confined.
        """
        wanted = requirements(spec.requirements, "requirements")
        constraints = requirements(spec.constraints, "constraints")
        asked = Asked(spec.python, wanted, uv_indexes(spec.indexes, self.indexes), constraints)
        every = (*wanted, *spec.indexes, *(f"-c {one}" for one in constraints))
        lock = self.locks / f"{spec_digest(spec.python, every)}.txt"
        if (known := await self.look(lock, wanted)) is not None:
            return known
        return await self.builds.wait(lock, lambda say: self.build(asked, lock, say), say)

    async def build(self, asked: Asked, lock: Path, say: Say) -> Path:
        """Make the environment, unless another process has made it meanwhile."""
        async with file_lock(lock.with_suffix(".lock"), WAIT_SECONDS):
            if (known := await run_sync(self.known, lock, asked.wanted)) is not None:
                return known
            await run_sync(remove_abandoned, self.root)
            return await self.make(asked, lock, say)

    async def look(self, lock: Path, wanted: tuple[str, ...]) -> Path | None:
        """``known``, at once where that took no longer than the way to another thread and back; else there."""
        began_seconds = monotonic_seconds()
        known = self.known(lock, wanted) if lock in self.quick else await run_sync(self.known, lock, wanted)
        if known is None or monotonic_seconds() - began_seconds > QUICK_SECONDS:
            self.quick.discard(lock)
        elif len(self.quick) < QUICK_MAX:
            self.quick.add(lock)
        return known

    def known(self, lock: Path, wanted: tuple[str, ...]) -> Path | None:
        """The executable when the environment is there, unchanged, and the Python it is based on too."""
        try:
            place = self.place(wanted, lock.read_text())
        except FileNotFoundError:
            return None
        python = place / "bin" / "python"
        return python if python.exists() and intact(place) else None

    def place(self, wanted: tuple[str, ...], lock_text: str) -> Path:
        key = hashlib.sha256("\n".join([*wanted, "", lock_text]).encode()).hexdigest()
        return self.root / key

    async def make(self, asked: Asked, lock: Path, say: Say) -> Path:
        version, wanted = asked.version, asked.wanted
        python = await find_python(version, self.root)
        if wanted or version:
            say(f"using Python {python.version}" + (f" (asked for {version})" if version else ""))
        work = self.root / f"new-{uuid4().hex}"
        work.mkdir(mode=0o700)
        try:
            text = await self.solve(python, asked, lock, work, say)
            place = self.place(wanted, text)
            if not await run_sync(intact, place):  # else another way of asking for it was solved to the same
                if place.exists():
                    say("the environment was changed since it was made; making it again")
                await self.install(python, text, work, self.uv.with_indexes(asked.indexes), say)
                await run_sync(publish, work / "environment", place)
            await run_sync(keep, text, lock, work)
        except Refused as refused:
            if refused.code in SPOILED:
                await run_sync(lock.unlink, True)
            raise
        finally:
            await run_sync(remove, work)
        return place / "bin" / "python"

    async def solve(self, python: Python, asked: Asked, lock: Path, work: Path, say: Say) -> str:
        """The lock of what is asked for: the one that an environment was made from with this Python, else a new one."""
        header = f"# Python {python.version} {sysconfig.get_platform()}\n"
        text = await run_sync(text_of, lock)
        if text.startswith(header):
            return text
        text = header
        if asked.wanted:
            say(f"solving {counted(len(asked.wanted), 'requirement')}")
            arguments = [*SOLVE, "--python", str(python.path), written(work, "requirements.in", asked.wanted)]
            if asked.constraints:
                arguments += ["--constraint", written(work, "constraints.in", asked.constraints)]
            with in_time("pip compile", SOLVE_TIMEOUT_SECONDS):
                uv = self.uv.with_indexes(asked.indexes)
                solved = await uv.solve(arguments, python.path, work, SOLVE_TIMEOUT_SECONDS)
            text += checked_lock(output_of(solved, work, say))
        return text

    async def install(self, python: Python, text: str, work: Path, uv: Uv, say: Say) -> None:
        """Make ``work/environment``. It is relocatable because it is renamed afterwards."""
        folder = work / "environment"
        folder.mkdir()
        venv = ["venv", "--relocatable", "--no-project", "--quiet", "--python", str(python.path), str(folder)]
        with in_time("venv", INSTALL_TIMEOUT_SECONDS):
            output_of(await self.uv.run(venv, python.path, work, INSTALL_TIMEOUT_SECONDS), work, say)
        links = chain(folder / "bin" / "python")
        packages = packages_of(text, python)
        if packages:
            say(f"installing {counted(len(packages), 'package')}")
            chosen = work / "chosen.txt"
            chosen.write_text(text)
            chosen.chmod(READABLE)
            arguments = [*INSTALL, "--python", str(folder / "bin" / "python"), str(chosen)]
            with in_time("pip sync", INSTALL_TIMEOUT_SECONDS):
                uv = uv.installing(packages)
                output_of(await uv.sync(arguments, python.path, work, INSTALL_TIMEOUT_SECONDS), work, say)
        await run_sync(self.uv.reclaim, folder)
        if chain(folder / "bin" / "python") != links:
            # Jobs are shown what these links lead to: a package could have shown them the keys of the installation.
            message = "requirements: a package replaced the Python of its environment, which is not allowed"
            raise Refused("environment.install_failed", message)


def written(work: Path, name: str, lines: tuple[str, ...]) -> str:
    """The path of a file for uv to read."""
    path = work / name
    path.write_text("\n".join(lines) + "\n")
    path.chmod(READABLE)
    return str(path)


def keep(text: str, lock: Path, work: Path) -> None:
    """Write a lock that an environment was made from; one that cannot be installed is not kept."""
    new = work / "lock.txt"
    new.write_text(text)
    new.replace(lock)


def text_of(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def spec_digest(version: str, wanted: tuple[str, ...]) -> str:
    """The name of the lock of what was asked for; an environment of "the running Python" is of its version."""
    parts = [version.strip() or str(running().version), sysconfig.get_platform(), *wanted]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def publish(folder: Path, place: Path) -> None:
    """Give a finished environment its name, read-only and sealed; another process may have made the same meanwhile."""
    for entry in below(str(folder), "the environment"):
        set_mode(Path(entry.path), 0o555)
    seal(folder)
    os.sync()  # else a power cut could leave the name with empty files; one call, where fsync would be thousands
    try:
        folder.rename(place)
    except OSError:
        if intact(place):
            return
        if place.exists():
            set_mode(place, 0o555, added=0o200)
            place.rename(folder.with_name("changed"))
        folder.rename(place)
    set_mode(place, 0o555)  # last, for only root may move a folder that is read-only


def set_mode(path: Path, kept: int, added: int = 0) -> None:
    if not path.is_symlink():
        path.chmod((path.stat().st_mode & kept) | added)


def remove(folder: Path) -> None:
    """Remove a folder whose sub-folders may be read-only, or nested as deep as a package liked."""
    remove_tree(str(folder))


def remove_abandoned(root: Path) -> None:
    """Remove what a killed process left half made; younger folders may be another process's, in work."""
    oldest = time.time() - ABANDONED_SECONDS
    for folder in root.glob("new-*"):
        try:
            if folder.stat().st_mtime < oldest:
                remove(folder)
        except FileNotFoundError:  # removed by another process
            continue
