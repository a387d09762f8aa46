"""Runs uv in the sandbox of the executor: building a package runs code of strangers (docs/adr/0022-sandbox.md).

uv sees the programs of the machine, the Python it builds for, the folder of the environment, a private /tmp and a
cache. Which cache depends on whether foreign code may run beside it: the one that all environments share is bound
only while wheels are unpacked, which runs nothing. Every other run has a cache that is removed with the build.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from copy import copy
from pathlib import Path
from uuid import uuid4

from anyio.to_thread import run_sync
from uv import find_uv_bin

from treering.adapters.launcher import Launcher, LauncherFailed
from treering.adapters.running import Ended, Launch, Running
from treering.adapters.sandbox.machine_view import is_shown
from treering.adapters.sandbox.port import Room
from treering.adapters.sandbox.python_paths import python_paths
from treering.adapters.sandbox.unconfined import Unconfined
from treering.adapters.uv import Finished, TimedOut, Uv, child_environment, home_of, shared_cache
from treering.adapters.uv_progress import COMPILING, UvProgress
from treering.adapters.uv_variables import with_indexes
from treering.kernel.ending import beside

OUTPUT_BYTES_MAX = 8 * 1024 * 1024
# Variables that may name files of this machine, several with commas or spaces between.
FILES_OF_INDEXES = ("UV_FIND_LINKS", "UV_INDEX", "UV_DEFAULT_INDEX", "SSL_CERT_FILE", "SSL_CERT_DIR")
FILES_OF_BUILDS = (*FILES_OF_INDEXES, "UV_CONSTRAINT", "UV_BUILD_CONSTRAINT", "UV_OVERRIDE", "UV_CONFIG_FILE", "NETRC")
# -S: site-packages is not imported from, so no .pth file of a package runs.
COMPILE = ("-I", "-S", "-m", "compileall", "-q", "-j", "0")
TOLERANT = 0o711  # the sandbox "user" must pass through


class ConfinedUv(Uv):
    """``hidden`` is never shown, such as the home of the installation, except for the folders of the build in it."""

    def __init__(self, launcher: Launcher, hidden: Sequence[Path]) -> None:
        self.launcher = launcher
        self.hidden = tuple(hidden)

    async def run(self, arguments: Sequence[str], python: Path, work: Path, timeout_seconds: float) -> Finished:
        return await self.confined([find_uv_bin(), *arguments], python, work, timeout_seconds, work / "clean-cache")

    async def solve(self, arguments: Sequence[str], python: Path, work: Path, timeout_seconds: float) -> Finished:
        return await self.confined([find_uv_bin(), *arguments], python, work, timeout_seconds, work / "cache")

    async def sync(self, arguments: Sequence[str], python: Path, work: Path, timeout_seconds: float) -> Finished:
        """Install from wheels alone with the shared cache; where that does not do, build, with a cache of its own."""
        shared = shared_cache(os.environ)
        done = Finished(1, "", "")
        if self.launcher.sandbox.keeps_user and await run_sync(made, shared):
            from_wheels = [find_uv_bin(), *arguments, "--no-build"]
            done = await self.confined(from_wheels, python, work, timeout_seconds, shared)
        if done.code != 0:
            done = await self.solve(arguments, python, work, timeout_seconds)
        if done.code == 0:
            environment = work / "environment"
            places = [str(path) for path in environment.glob("lib/python3*/site-packages")]
            compiling = [str(environment / "bin" / "python"), *COMPILE, *places]
            # Some packages have files that are no Python of this version: that they do not compile is no failure.
            compiler = copy(self)
            compiler.phase = COMPILING
            await compiler.confined(compiling, python, work, timeout_seconds, work / "cache")
        return done

    def reclaim(self, folder: Path) -> None:
        self.launcher.sandbox.reclaim(folder)

    async def confined(
        self, argv: Sequence[str], python: Path, work: Path, timeout_seconds: float, cache: Path
    ) -> Finished:
        """Raises ``TimedOut``; ``Refused`` ``sandbox.*``; LauncherFailed when our own helper processes failed."""
        temporary = prepared(work, cache)
        env = with_indexes(environment_of(os.environ, temporary, cache), self.indexes)
        room = room_of(python, work, temporary, cache, env, self.hidden)
        progress = UvProgress(self.packages, self.phase)
        running = await self.launcher.launch(Launch(f"build.{uuid4().hex}", argv, temporary, env, room))
        async with beside(progress.watch(running.pid, cache)):
            try:
                running.go()
                async with asyncio.timeout(timeout_seconds):
                    output = await text_of(running, progress)
                    return finished(await running.wait(), output)
            except TimeoutError:
                raise TimedOut from None
            finally:
                await running.kill()


def uv_in(launcher: Launcher, hidden: Sequence[Path]) -> Uv:
    """How uv is run beside the commands of ``launcher``: confined as they are."""
    return Uv() if isinstance(launcher.sandbox, Unconfined) else ConfinedUv(launcher, hidden)


def prepared(work: Path, cache: Path) -> Path:
    """Make the folders of one run in ``work``; the new one for temporary files.

    It is HOME and the current folder too. uv reads its settings there, so it is not one that foreign code has seen.
    """
    work.chmod(TOLERANT)
    temporary = work / f"tmp-{uuid4().hex}"
    temporary.mkdir()
    cache.mkdir(exist_ok=True)
    return temporary


def room_of(
    python: Path, work: Path, temporary: Path, cache: Path, env: Mapping[str, str], hidden: tuple[Path, ...]
) -> Room:
    """Not ``work`` itself: a build could put a link in the place of the environment, which we would follow.

    While uv solves there is no environment yet, so that nothing can be in it before uv makes it.
    """
    asked = [path for path in work.iterdir() if path.is_file()]
    tools = [Path(find_uv_bin()), *python_paths(python), *named_files(env, FILES_OF_BUILDS)]
    if "XDG_CONFIG_HOME" in env:
        tools.append(Path(env["XDG_CONFIG_HOME"]) / "uv" / "uv.toml")
    readable = [path for path in dict.fromkeys(tools) if not is_shown(path)]
    environment = [path for path in [work / "environment"] if path.exists()]
    return Room(temporary, (temporary, cache, *environment), (*readable, *asked), hidden)


def named_files(settings: Mapping[str, str], names: Sequence[str]) -> list[Path]:
    """The files and folders of this machine that the variables ``names`` lead to."""
    words = [word for name in names for word in settings.get(name, "").replace(",", " ").split()]
    paths = [Path(word.removeprefix("file://")) for word in words if word.startswith(("/", "file:///"))]
    return [path for path in paths if path.exists()]


def environment_of(parent: Mapping[str, str], temporary: Path, cache: Path) -> dict[str, str]:
    """As without a sandbox, but HOME is private: of the operator's own only uv.toml is shown, which names the index."""
    found = child_environment(parent)
    settings = Path(found.pop("XDG_CONFIG_HOME", "") or home_of(parent) / ".config")
    for name in ("XDG_CACHE_HOME", "XDG_DATA_HOME"):
        found.pop(name, None)
    if os.access(settings / "uv" / "uv.toml", os.R_OK):
        found["XDG_CONFIG_HOME"] = str(settings)
    return found | {"HOME": str(temporary), "TMPDIR": str(temporary), "UV_CACHE_DIR": str(cache)}


def made(folder: Path) -> bool:
    """Whether ``folder`` is there and we may write in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


async def text_of(running: Running, progress: UvProgress) -> bytes:
    """All that it wrote, up to a bound: what comes after is read and forgotten, so that it can go on to its end."""
    found = bytearray()
    async for chunk in running.output():
        progress.hear(chunk)
        found += chunk[: max(0, OUTPUT_BYTES_MAX - len(found))]
    return bytes(found)


def finished(ended: Ended, output: bytes) -> Finished:
    text = output.decode(errors="replace")
    if ended.lost:
        raise LauncherFailed(f"the build of an environment was not finished: {ended.lost}")
    if ended.out_of_memory:
        return Finished(1, "", "the kernel ended the build because memory was short")
    if ended.error:
        return Finished(1, "", f"{ended.error} {text}")
    if ended.signal is not None:
        return Finished(-ended.signal, "", text or f"the build was ended by signal {ended.signal}")
    return Finished(ended.exit_code or 0, text, text)
