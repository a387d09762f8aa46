"""What installing the folder of a package with ``-e`` amounts to: the packages it needs, and where its modules lie.

The package itself is not built: the code of a job is there when its command runs, so it is imported from there. What
it needs is read from ``pyproject.toml``, ``setup.cfg`` or ``setup.py`` without running them (PEP 621, setuptools).
"""

from __future__ import annotations

import ast
import configparser
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from treering.kernel.refusal import Refused
from treering.specs.yaml_text import read_text

INSTEAD = "write its requirements out in the environment, and name the folder that holds the package as code"


class LocalPackage(NamedTuple):
    """``needs``: requirements as written; ``modules``: the folder to import from."""

    needs: tuple[str, ...]
    modules: Path


class Needs(NamedTuple):
    """What one file says: requirements, those of each extra, and the folder of the modules ("" when it says none)."""

    always: list[str]
    extras: dict[str, list[str]]
    modules: str = ""


def local_package(written: str, folder: Path, where: str) -> LocalPackage:
    """The package ``.``, ``./lib`` or ``.[train]`` in ``folder``.

    Raises ``Refused("environment.local_package")``: there is none, or what it needs is only known by running it.
    """
    path, _, listed = written.partition("[")
    place = (folder / path.strip().removeprefix("file:")).resolve()
    if not place.is_relative_to(folder.resolve()):
        raise invalid(where, f"{written[:80]!r} lies outside the folder {folder.name!r}")
    found = needs_of(place, where)
    wanted = list(found.always)
    for extra in filter(None, (one.strip() for one in listed.rstrip("] ").split(","))):
        if extra not in found.extras:
            raise invalid(where, f"the package has no extra {extra!r}; it has {', '.join(found.extras) or 'none'}")
        wanted += found.extras[extra]
    return LocalPackage(tuple(wanted), modules_of(place, found.modules))


def needs_of(place: Path, where: str) -> Needs:
    project, config, setup = place / "pyproject.toml", place / "setup.cfg", place / "setup.py"
    readers = ((project, by_pyproject), (config, by_config), (setup, by_setup))
    files = [path for path, _ in readers if path.is_file()]
    if not files:
        raise invalid(where, f"there is no package in {place.name!r}: no pyproject.toml, setup.cfg or setup.py")
    for path, reader in readers:
        try:
            found = reader(read_text(path)) if path in files else None
        except (ValueError, SyntaxError, configparser.Error, TypeError, AttributeError) as error:
            raise invalid(where, f"{path.name} cannot be read without running it: {error}") from None
        if found is not None:
            return found
    names = ", ".join(path.name for path in files)
    raise invalid(where, f"what the package needs cannot be read from {names} without running it")


def by_pyproject(text: str) -> Needs | None:
    """None when another file says it: there is no project table, or its dependencies are dynamic."""
    root = tomllib.loads(text)
    project: dict[str, Any] = root.get("project", {})
    if not project or "dependencies" in project.get("dynamic", []):
        return None
    tools = root.get("tool", {}).get("setuptools", {})
    packages = tools.get("packages", {})
    found = packages.get("find", {}).get("where", []) if isinstance(packages, dict) else []
    folder = (found or [tools.get("package-dir", {}).get("", "")])[0]
    return Needs(texts(project.get("dependencies", [])), extras(project.get("optional-dependencies", {})), str(folder))


def by_config(text: str) -> Needs | None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text)
    if not parser.has_section("options"):
        return None
    options = parser["options"]
    always = lines(options.get("install_requires", ""))
    found = dict(parser["options.extras_require"]) if parser.has_section("options.extras_require") else {}
    folder = parser.get("options.packages.find", "where", fallback="")
    return Needs(always, {name: lines(one) for name, one in found.items()}, folder.strip())


def by_setup(text: str) -> Needs | None:
    """The literals of the call of ``setup``; a list that the script computes is a ``ValueError``."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "setup":
            given = {one.arg: one.value for one in node.keywords if one.arg}
            always, more = (given.get(name) for name in ("install_requires", "extras_require"))
            folder = given.get("package_dir")
            return Needs(
                texts(ast.literal_eval(always)) if always else [],
                extras(ast.literal_eval(more)) if more else {},
                str(ast.literal_eval(folder).get("", "")) if folder else "",
            )
    return None


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def texts(found: Any) -> list[str]:
    if not isinstance(found, list | tuple) or not all(isinstance(one, str) for one in found):
        raise ValueError("a list of requirements is needed")
    return list(found)


def extras(found: Any) -> dict[str, list[str]]:
    return {str(name): texts(one) for name, one in found.items()}


def modules_of(place: Path, said: str) -> Path:
    """The folder that is said, else ``src`` where there is one, else that of the package itself."""
    folder = (place / said).resolve() if said else place
    if said and folder.is_relative_to(place) and folder.is_dir():
        return folder
    return place / "src" if (place / "src").is_dir() else place


def invalid(where: str, message: str) -> Refused:
    return Refused("environment.local_package", f"{where}: {message}; {INSTEAD}")
