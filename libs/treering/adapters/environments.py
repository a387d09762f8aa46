"""Python environments by their content: solved once, installed once, then shared and never changed.

``locks/<spec>.txt`` is the solution of a spec, with a hash of every file; ``<key>/`` the environment, where
the key is the SHA-256 of what was asked for, the Python, the platform and the lock. An environment is made
under another name and gets its own when it is complete. One that a job changed nevertheless is made again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sysconfig
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import uuid4

from anyio.to_thread import run_sync
from packaging.requirements import Requirement

from treering.adapters.file_lock import file_lock
from treering.adapters.pythons import Python, find_python, running
from treering.adapters.seals import intact, seal
from treering.adapters.uv import TimedOut, reason, run_uv
from treering.domain.job_spec import EnvironmentSpec
from treering.kernel.clock import monotonic_seconds
from treering.kernel.refusal import Refused
from treering.specs.requirements import requirements

SOLVE_TIMEOUT_SECONDS = 600.0
INSTALL_TIMEOUT_SECONDS = 1800.0
WAIT_SECONDS = SOLVE_TIMEOUT_SECONDS + INSTALL_TIMEOUT_SECONDS
ABANDONED_SECONDS = 24 * 60 * 60
REASON_CHARACTERS_MAX = 600
SOLVE = ["pip", "compile", "--universal", "--generate-hashes", "--no-header", "--no-annotate", "--quiet"]
# Links to uv's cache would let a job that edits a file in site-packages edit the cache, and so every environment
# made from it; file modes do not keep root from it, and "clone" quietly becomes a link where the filesystem cannot
# clone. Copies cost about two seconds and the disk space, once per environment. Byte code is compiled here because
# a job cannot store it in a read-only folder, and would compile at every start.
INSTALL = ["pip", "sync", "--require-hashes", "--link-mode", "copy", "--compile-bytecode", "--quiet"]
FAILURES = (("No solution found", "environment.unsolvable"), ("Failed to build", "environment.build_failed"))
QUICK_SECONDS = 0.002
QUICK_MAX = 1000

Say = Callable[[str], None]


class Environments:
    """The environments below ``root``, which several processes may share."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.locks = root / "locks"
        self.quick: set[Path] = set()  # locks of environments so small that a look at all their files is quick
        self.locks.mkdir(parents=True, exist_ok=True, mode=0o700)

    async def ready(self, spec: EnvironmentSpec, say: Say) -> Path:
        """The Python executable of the environment of ``spec``, made if need be; ``say`` is told the steps.

        Raises ``Refused``: ``environment.`` ``requirement``, ``python_invalid``, ``python_absent``,
        ``unsolvable``, ``build_failed``, ``install_failed``, ``timeout``; ``lock.busy``.
        """
        wanted = requirements(spec.requirements, "requirements")
        lock = self.locks / f"{spec_digest(spec.python, wanted)}.txt"
        if (known := await self.look(lock, wanted)) is not None:
            return known
        async with file_lock(lock.with_suffix(".lock"), WAIT_SECONDS):
            if (known := await run_sync(self.known, lock, wanted)) is not None:
                return known
            await run_sync(remove_abandoned, self.root)
            return await self.make(spec.python, wanted, lock, say)

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

    async def make(self, version: str, wanted: tuple[str, ...], lock: Path, say: Say) -> Path:
        python = await find_python(version, self.root)
        if wanted or version:
            say(f"using Python {python.version}" + (f" (asked for {version})" if version else ""))
        work = self.root / f"new-{uuid4().hex}"
        work.mkdir(mode=0o700)
        try:
            text = await self.solve(python, wanted, lock, work, say)
            place = self.place(wanted, text)
            if await run_sync(intact, place):  # another way of asking for it was solved to the same
                return place / "bin" / "python"
            if place.exists():
                say("the environment was changed since it was made; making it again")
            await self.install(python, text, work, say)
            await run_sync(publish, work / "environment", place)
        finally:
            await run_sync(remove, work)
        return place / "bin" / "python"

    async def solve(self, python: Python, wanted: tuple[str, ...], lock: Path, work: Path, say: Say) -> str:
        """The lock of ``wanted``: the one there is for this Python, else a new one."""
        header = f"# Python {python.version} {sysconfig.get_platform()}\n"
        text = await run_sync(text_of, lock)
        if text.startswith(header):
            return text
        text = header
        if wanted:
            say(f"solving {counted(len(wanted), 'requirement')}")
            asked = work / "requirements.in"
            asked.write_text("\n".join(wanted) + "\n")
            text += await uv([*SOLVE, "--python", str(python.path), str(asked)], work, SOLVE_TIMEOUT_SECONDS)
        new = work / "lock.txt"
        new.write_text(text)
        new.replace(lock)
        return text

    async def install(self, python: Python, text: str, work: Path, say: Say) -> None:
        """Make ``work/environment``. It is relocatable because it is renamed afterwards."""
        folder = work / "environment"
        venv = ["venv", "--relocatable", "--no-project", "--quiet", "--python", str(python.path), str(folder)]
        await uv(venv, work, INSTALL_TIMEOUT_SECONDS)
        packages = package_count(text, python)
        if packages:
            say(f"installing {counted(packages, 'package')}")
            chosen = work / "chosen.txt"
            chosen.write_text(text)
            arguments = [*INSTALL, "--python", str(folder / "bin" / "python"), str(chosen)]
            await uv(arguments, work, INSTALL_TIMEOUT_SECONDS)


async def uv(arguments: Sequence[str], folder: Path, timeout_seconds: float) -> str:
    """What uv printed; ``Refused`` with its reason."""
    try:
        finished = await run_uv(arguments, folder, timeout_seconds)
    except TimedOut:
        step = " ".join(arguments[:2])
        message = f"uv {step} took more than {timeout_seconds:g} seconds; is the package index reachable?"
        raise Refused("environment.timeout", message) from None
    if finished.code != 0:
        errors = finished.errors.replace(f"{folder}{os.sep}", "")
        code = next((code for words, code in FAILURES if words in errors), "environment.install_failed")
        raise Refused(code, f"requirements: {reason(errors, REASON_CHARACTERS_MAX)}")
    return finished.output


def text_of(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def spec_digest(version: str, wanted: tuple[str, ...]) -> str:
    """The name of the lock of what was asked for; an environment of "the running Python" is of its version."""
    parts = [version.strip() or str(running().version), sysconfig.get_platform(), *wanted]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def package_count(lock_text: str, python: Python) -> int:
    """The packages of a lock that this platform and Python get."""
    here = {
        "python_version": ".".join(map(str, python.version.release[:2])),
        "python_full_version": str(python.version),
    }
    lines = [line.removesuffix("\\") for line in lock_text.splitlines() if line[:1].isalnum()]
    markers = [Requirement(line).marker for line in lines]
    return sum(marker is None or marker.evaluate(here) for marker in markers)


def counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def publish(folder: Path, place: Path) -> None:
    """Give a finished environment its name, read-only and sealed; another process may have made the same meanwhile."""
    for path, folders, names in os.walk(folder):
        for name in [*folders, *names]:
            set_mode(Path(path) / name, 0o555)
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
    """Remove a folder whose sub-folders may be read-only."""
    for path, _, _ in os.walk(folder):
        Path(path).chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned(root: Path) -> None:
    """Remove what a killed process left half made; younger folders may be another process's, in work."""
    oldest = time.time() - ABANDONED_SECONDS
    for folder in root.glob("new-*"):
        try:
            if folder.stat().st_mtime < oldest:
                remove(folder)
        except FileNotFoundError:  # removed by another process
            continue
