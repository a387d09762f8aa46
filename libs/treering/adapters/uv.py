"""Runs uv: a child with arguments as a list, an environment we chose, a time limit and no terminal.

uv does not read pip's configuration, but that is where most people (and most companies) say which index to
use. So pip's index settings are translated into uv's variables, for the child only. Variables of uv that are
set already win.
"""

from __future__ import annotations

import asyncio
import configparser
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from copy import copy
from pathlib import Path
from typing import NamedTuple, Self
from uuid import uuid4

from uv import find_uv_bin

from treering.adapters.marked_processes import Marked
from treering.adapters.process_groups import mark
from treering.adapters.tied_process import tied
from treering.adapters.uv_progress import Package, UvProgress
from treering.adapters.uv_variables import for_builds, with_indexes
from treering.kernel.ending import beside, run_together

KEPT = frozenset({
    "PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "CC", "CXX", "SSL_CERT_FILE", "SSL_CERT_DIR", "NETRC",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME",
})  # fmt: skip
STRIKES_MAX = 100
STRIKE_SECONDS = 0.01
CHUNK_BYTES = 64 * 1024
OPTIONS = ("index-url", "extra-index-url", "find-links", "cert")


class Finished(NamedTuple):
    """``output`` is stdout, ``errors`` stderr, without colours."""

    code: int
    output: str
    errors: str


class TimedOut(Exception):
    """The child took too long and was killed."""


class Uv:
    """How uv is run for an environment; here without a sandbox, with the rights of the caller. See ``confined_uv``."""

    indexes: tuple[str, ...] = ()  # beside the operator's own, each NAME=URL
    packages: tuple[Package, ...] = ()  # that ``sync`` is to install, for whoever watches
    phase: str = ""  # what is done with those that are ready

    def with_indexes(self, indexes: tuple[str, ...]) -> Self:
        """The same, looking for packages in ``indexes`` first."""
        changed = copy(self)
        changed.indexes = indexes
        return changed

    def installing(self, packages: tuple[Package, ...]) -> Self:
        """The same, telling how many of ``packages`` are ready."""
        changed = copy(self)
        changed.packages = packages
        return changed

    async def run(self, arguments: Sequence[str], python: Path, work: Path, timeout_seconds: float) -> Finished:
        """Run uv for ``python`` in the folder ``work``, where it runs no code of packages. Raises ``TimedOut``."""
        return await run_uv(arguments, work, timeout_seconds, self.indexes, UvProgress(self.packages, self.phase))

    async def solve(self, arguments: Sequence[str], python: Path, work: Path, timeout_seconds: float) -> Finished:
        """The same where uv may build packages, and so run their code."""
        return await self.run(arguments, python, work, timeout_seconds)

    async def sync(self, arguments: Sequence[str], python: Path, work: Path, timeout_seconds: float) -> Finished:
        """Run ``uv pip sync`` for ``work/environment``, and compile what it installed to byte code."""
        return await self.run([*arguments, "--compile-bytecode"], python, work, timeout_seconds)

    def reclaim(self, folder: Path) -> None:
        """Make ``folder`` ours again, where a build ran as somebody else."""


async def run_uv(
    arguments: Sequence[str],
    folder: Path,
    timeout_seconds: float,
    indexes: tuple[str, ...] = (),
    progress: UvProgress | None = None,
) -> Finished:
    """Run uv in ``folder``. When the time is over, or the caller is cancelled, it is killed with all it started,
    also with what left its session: everything inherits a variable that names this run."""
    kin = Marked(f"treering-uv-{os.getpid()}")
    run = uuid4().hex
    progress = progress or UvProgress()
    child = await asyncio.create_subprocess_exec(
        *tied([find_uv_bin(), *arguments], signal.SIGKILL),  # an executor that is killed leaves no uv behind
        cwd=folder,
        env=with_indexes(child_environment(os.environ), indexes) | dict([mark(kin.parent, run).decode().split("=", 1)]),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    async with beside(progress.watch(child.pid, shared_cache(os.environ))):
        try:
            async with asyncio.timeout(timeout_seconds):
                output, errors = await run_together(all_of(child.stdout), all_of(child.stderr, progress.hear))
                await child.wait()
        except TimeoutError:
            raise TimedOut from None
        finally:
            await kill(child, kin, run)
    return Finished(child.returncode or 0, output.decode(errors="replace"), errors.decode(errors="replace"))


async def all_of(stream: asyncio.StreamReader | None, hear: Callable[[bytes], None] = lambda _: None) -> bytes:
    """What comes to its end; ``hear`` is told each part as it comes."""
    assert stream is not None
    found = bytearray()
    while chunk := await stream.read(CHUNK_BYTES):
        found += chunk
        hear(chunk)
    return bytes(found)


async def kill(child: asyncio.subprocess.Process, kin: Marked, run: str) -> None:
    """Kill a child that still runs, with the builds it started."""
    if child.returncode is not None:
        return
    with suppress(ProcessLookupError):  # it ended by itself just now
        os.killpg(child.pid, signal.SIGKILL)
    for _ in range(STRIKES_MAX):
        if kin.strike(run, child.pid):  # it looks at every process of the machine: some milliseconds
            break
        await asyncio.sleep(STRIKE_SECONDS)
    await child.wait()


def child_environment(parent: Mapping[str, str]) -> dict[str, str]:
    """What uv needs and no more: building a package runs code of strangers, which should not see our secrets."""
    kept = {name: value for name, value in parent.items() if name in KEPT} | for_builds(parent)
    chosen = translated(pip_settings(parent), kept) | kept
    if "SSL_CERT_FILE" not in chosen:
        chosen.setdefault("UV_SYSTEM_CERTS", "true")
    # A package that is built runs its own code, in an environment of its own: linked to the cache it could change what
    # others are installed from.
    return chosen | {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1", "NO_COLOR": "1", "UV_LINK_MODE": "copy"}


def shared_cache(parent: Mapping[str, str]) -> Path:
    """Where uv keeps its cache when nothing confines it."""
    named = parent.get("UV_CACHE_DIR")
    if named:
        return Path(named).absolute()
    return Path(parent.get("XDG_CACHE_HOME") or home_of(parent) / ".cache") / "uv"


def home_of(parent: Mapping[str, str]) -> Path:
    return Path(parent.get("HOME") or Path.home())


def translated(settings: Mapping[str, str], kept: Mapping[str, str]) -> dict[str, str]:
    """pip's settings in uv's words."""
    words = {name: settings[name].split() for name in OPTIONS if settings.get(name, "").strip()}
    result = {}
    if "index-url" in words and "UV_INDEX_URL" not in kept:
        result["UV_DEFAULT_INDEX"] = words["index-url"][0]
    if "extra-index-url" in words and "UV_EXTRA_INDEX_URL" not in kept:
        result["UV_INDEX"] = " ".join(words["extra-index-url"])
        # pip takes the best version of all indexes, uv's default that of the first which has the package. Who
        # configured pip means the former, and has accepted that an extra index may offer any package.
        result["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    if "find-links" in words:
        result["UV_FIND_LINKS"] = ",".join(words["find-links"])
    if "cert" in words:
        result["SSL_CERT_FILE"] = settings["cert"].strip()
    return result


def pip_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """pip's options of its files, overridden by its variables. Files that cannot be read count as absent."""
    parser = configparser.RawConfigParser(strict=False)
    for path in pip_files(environment):
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue
    found = dict(parser["global"]) if parser.has_section("global") else {}
    variables = {name: environment.get("PIP_" + name.upper().replace("-", "_"), "") for name in OPTIONS}
    return found | {name: value for name, value in variables.items() if value}


def pip_files(environment: Mapping[str, str]) -> list[Path]:
    """The files pip reads, in its order: a later one overrides."""
    named = environment.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return []
    home = Path(environment.get("HOME") or Path.home())
    user = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    files = [Path("/etc/xdg/pip/pip.conf"), Path("/etc/pip.conf")]
    files += [home / ".pip" / "pip.conf", user / "pip" / "pip.conf", Path(sys.prefix) / "pip.conf"]
    return [*files, Path(named)] if named else files
