"""Which commit a folder of code is at, as Azure ML notes it with a job; nothing where git or a repository is absent."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from treering.kernel.url_secrets import without_secrets

TIMEOUT_SECONDS = 5.0
# A repository's own configuration may name programs to run; those that these commands would run stay off.
GIT = ("git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")


def git_facts(code: Path) -> dict[str, str]:
    """``commit``, ``branch``, ``repository`` and ``dirty`` ("true" or "false") of a folder or file.

    A branch or repository that is not there is left out. Each question has five seconds.
    """
    folder = code if code.is_dir() else code.parent
    commit = said(folder, "rev-parse", "--verify", "HEAD")
    if not commit:
        return {}
    facts = {
        "commit": commit,
        "branch": said(folder, "symbolic-ref", "--short", "--quiet", "HEAD"),
        "repository": without_password(said(folder, "remote", "get-url", "origin")),
    }
    changes = answer(folder, "status", "--porcelain", "--", ".")
    if changes is not None:
        facts["dirty"] = "true" if changes else "false"
    return {name: value for name, value in facts.items() if value}


def said(folder: Path, *arguments: str) -> str:
    return answer(folder, *arguments) or ""


def answer(folder: Path, *arguments: str) -> str | None:
    """What git says, None when it fails, is not there, or takes too long."""
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            [*GIT, *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else None


def without_password(url: str) -> str:
    """A repository's URL without the user and password some people keep in it, or a token behind the '?'."""
    parts = urlsplit(url)
    if not parts.scheme or "@" not in parts.netloc:
        return without_secrets(url)
    return without_secrets(urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])))
