"""Reads the package indexes that a Dockerfile names outside of ``pip install``: variables, ``export``, ``pip config``.

A setting that decides where packages come from, and that is not read here, is refused: left out, it would take a
package of the same name from another index.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from treering.kernel.refusal import Refused
from treering.specs.requirement_lines import Wanted, joined, line

ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
WRAPPERS = frozenset({"sudo", "env", "exec", "time", "export"})
INDEX_VARIABLES = frozenset(
    {"PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX"}
)
NOT_READ = frozenset({
    "PIP_CONFIG_FILE", "UV_CONFIG_FILE", "PIP_FIND_LINKS", "UV_FIND_LINKS", "PIP_NO_INDEX", "UV_NO_INDEX",
    "PIP_CONSTRAINT", "UV_CONSTRAINT", "PIP_REQUIREMENT", "UV_OVERRIDE", "PIP_PYPI_URL",
})  # fmt: skip
INDEX_SETTING = re.compile(r"(?:\w+\.)?(?:extra-)?index-url")
OTHER_SETTING = re.compile(r"(?:\w+\.)?(?:find-links|no-index|constraint|requirement|pypi-url)")
CONFIG_FILES = frozenset({"pip.conf", "pip.ini", "uv.toml", ".pydistutils.cfg", "pydistutils.cfg", "distutils.cfg"})
ADVICE = "name the index with --index-url or --extra-index-url, and constraints with -c FILE, beside the packages"


def indexes_of(settings: Mapping[str, str], shown: str) -> Wanted:
    """The package indexes that variables of pip or uv name; several stand between blanks.

    Raises ``Refused("environment.dockerfile")`` of a variable that decides what is installed and is not read.
    """
    named = {name.upper(): value for name, value in settings.items()}
    if unread := sorted(name for name in NOT_READ & named.keys() if named[name]):
        raise Refused("environment.dockerfile", f"{shown}: {', '.join(unread)} is not read; {ADVICE}")
    urls = [url for name in sorted(INDEX_VARIABLES & named.keys()) for url in named[name].split()]
    return joined(line(f"--extra-index-url {address(url)}", shown, Path()) for url in urls)


def address(written: str) -> str:
    """The address in what uv calls ``NAME=ADDRESS``."""
    return re.sub(r"^[\w.-]+=", "", written)


def settings_of(words: list[str], shown: str) -> dict[str, str]:
    """The variables that stand before a command or that ``export`` sets, and what ``pip config set`` sets."""
    found: dict[str, str] = {}
    for word in words:
        if ASSIGNMENT.fullmatch(word):
            name, _, value = word.partition("=")
            found[name] = value
        elif word not in WRAPPERS and not (words[0] == "export" and (word.isidentifier() or word.startswith("-"))):
            break
    return found | configured(words, shown)


def configured(words: list[str], shown: str) -> dict[str, str]:
    plain = [word for word in words if not word.startswith("--")]
    position = next((at for at, word in enumerate(plain) if word == "config" and at and is_pip(plain[at - 1])), -1)
    if position < 0 or plain[position + 1 : position + 2] not in (["set"], ["edit"]):
        return {}
    name, value = ([*plain[position + 2 :], "", ""])[:2]
    name = name.lower().replace("_", "-")
    if INDEX_SETTING.fullmatch(name):
        return {"PIP_INDEX_URL": value}
    if OTHER_SETTING.fullmatch(name) or plain[position + 1] == "edit":
        raise Refused("environment.dockerfile", f"{shown}: this setting of pip is not read; {ADVICE}")
    return {}


def is_pip(program: str) -> bool:
    return PurePosixPath(program).name.startswith("pip")


def refuse_mentions(text: str, shown: str) -> None:
    """Refuse a text that a shell may read later, and that names a variable of pip."""
    if named := sorted(name for name in INDEX_VARIABLES | NOT_READ if re.search(rf"\b{name}\b", text)):
        raise Refused("environment.dockerfile", f"{shown}: {', '.join(named)} is not read here; {ADVICE}")


def refuse_config_files(paths: Iterable[str], shown: str) -> None:
    """Refuse a file that pip or uv takes its indexes from."""
    for path in paths:
        if PurePosixPath(path).name in CONFIG_FILES:
            said = f"{shown}: settings of pip in {path[:100]!r} are not read"
            raise Refused("environment.dockerfile", f"{said}; {ADVICE}")
