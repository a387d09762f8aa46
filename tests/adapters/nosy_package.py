"""A source distribution whose build does what it may not: it notes in the package it makes what it could do."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

NAME = "treering_nosy"
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "treering-nosy"
dynamic = ["version"]
"""
# PKG-INFO of this version does not promise that its metadata holds, so uv runs the backend to solve, too.
ABOUT = "Metadata-Version: 2.1\nName: treering-nosy\nVersion: 1\n"
BACKEND = """
import os, zipfile

TRIES = {tries!r}


def tried():
    found = []
    for name, script in TRIES:
        try:
            exec(script, {{"os": os}})
            found.append(name)
        except OSError:
            pass
    return found


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name = "treering_nosy-1-py3-none-any.whl"
    about = "treering_nosy-1.dist-info/"
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as wheel:
        wheel.writestr("nosy.py", f"did = {{tried()!r}}")
        wheel.writestr(about + "METADATA", "Metadata-Version: 2.1\\nName: treering-nosy\\nVersion: 1\\n")
        wheel.writestr(about + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(about + "RECORD", "nosy.py,,\\n")
    return name
"""


def write_nosy_package(folder: Path, tries: list[tuple[str, str]]) -> None:
    """Write ``treering_nosy-1.tar.gz`` into ``folder``; its build runs the scripts of ``tries`` (name, Python)."""
    folder.mkdir()
    files = {"pyproject.toml": PROJECT, "PKG-INFO": ABOUT, "backend.py": BACKEND.format(tries=tries)}
    with tarfile.open(folder / f"{NAME}-1.tar.gz", "w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"{NAME}-1/{name}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
