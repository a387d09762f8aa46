"""Runs uv: a child with arguments as a list, an environment we chose, a time limit and no terminal.

uv does not read pip's configuration, but that is where most people (and most companies) say which index to
use. So pip's index settings are translated into uv's variables, for the child only. Variables of uv that are
set already win.
"""

from __future__ import annotations

import asyncio
import configparser
import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from uv import find_uv_bin

KEPT = frozenset({
    "PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "CC", "CXX", "SSL_CERT_FILE", "SSL_CERT_DIR", "NETRC",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME",
})  # fmt: skip
OPTIONS = ("index-url", "extra-index-url", "find-links", "cert")
URL = re.compile(r"[a-z][a-z+]*://[^\s`'\")]+")


class Finished(NamedTuple):
    """``output`` is stdout, ``errors`` stderr, without colours."""

    code: int
    output: str
    errors: str


class TimedOut(Exception):
    """The child took too long and was killed."""


async def run_uv(arguments: Sequence[str], folder: Path, timeout_seconds: float) -> Finished:
    """Run uv in ``folder``. When the time is over, or the caller is cancelled, it is killed with its children."""
    child = await asyncio.create_subprocess_exec(
        find_uv_bin(),
        *arguments,
        cwd=folder,
        env=child_environment(os.environ),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(timeout_seconds):
            output, errors = await child.communicate()
    except TimeoutError:
        raise TimedOut from None
    finally:
        await end(child)
    return Finished(child.returncode or 0, output.decode(errors="replace"), errors.decode(errors="replace"))


async def end(child: asyncio.subprocess.Process) -> None:
    """Kill a child that still runs, with the builds it started: it leads a session of its own."""
    if child.returncode is None:
        with suppress(ProcessLookupError):  # it ended by itself just now
            os.killpg(child.pid, signal.SIGKILL)
        await child.wait()


def child_environment(parent: Mapping[str, str]) -> dict[str, str]:
    """What uv needs and no more: building a package runs code of strangers, which should not see our secrets."""
    kept = {name: value for name, value in parent.items() if name in KEPT or name.startswith("UV_")}
    chosen = translated(pip_settings(parent), kept) | kept
    if "SSL_CERT_FILE" not in chosen:
        chosen.setdefault("UV_SYSTEM_CERTS", "true")
    return chosen | {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1", "NO_COLOR": "1"}


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


def reason(errors: str, characters_max: int) -> str:
    """What uv said, shortened, in one line, without addresses: an index's may hold a password."""
    said = [line for line in errors.splitlines() if line.strip() and not line.startswith("warning")]
    text = re.sub(r"[\s│╰─▶×]+", " ", URL.sub("the package index", " ".join(said))).strip()
    text = text.removeprefix("error: ")
    return text if len(text) <= characters_max else text[: characters_max - 3] + "..."
