"""``pip install`` inside a job: into a folder of the attempt's own, never into the environment others run on.

Scripts written for containers install what they miss as they go. The environment is read-only and has no
pip; this stands in for it and hands ``install`` to uv. What is installed is gone with the attempt.
"""

from __future__ import annotations

import os
import shlex
import sys
from functools import cache
from pathlib import Path

from uv import find_uv_bin

from treering.adapters import pip_in_job
from treering.adapters.uv import child_environment
from treering.adapters.uv_variables import for_jobs

PACKAGES_VARIABLE = "TREERING_PACKAGES"
UV_VARIABLE = "TREERING_UV"
NAMES = ("pip", "pip3")
PREFIX_VARIABLE = "TREERING_PREFIX"
# MLflow and others note pip's version with what they store, and give up where it has none.
MODULE = f'''"""Written by treering: stands for pip inside a job; `python -m pip` is in __main__."""

import importlib
import os
import sys

__version__ = "{pip_in_job.VERSION}"

if os.path.realpath(sys.prefix) != os.environ.get("{PREFIX_VARIABLE}"):
    # A virtual environment that the job made: it has its own pip.
    sys.path.remove(os.path.dirname(os.path.dirname(__file__)))
    del sys.modules["pip"]
    importlib.import_module("pip")
'''


def make_shims(folder: Path) -> None:
    """Write the shims below ``folder`` (``bin`` for the path, ``python`` for PYTHONPATH). Safe to say again."""
    module = folder / "python" / "pip"
    module.mkdir(parents=True, exist_ok=True)
    (module / "__init__.py").write_text(MODULE)
    (module / "__main__.py").write_text(Path(pip_in_job.__file__).read_text())
    (folder / "bin").mkdir(exist_ok=True)
    for name in NAMES:
        script = folder / "bin" / name
        main = shlex.quote(str(module / "__main__.py"))
        script.write_text(f'#!/bin/sh\nexec {shlex.quote(str(shim_python()))} -I -S {main} "$@"\n')
        script.chmod(0o755)


def shim_variables(folder: Path, packages: Path, prefix: Path) -> dict[str, str]:
    """What a job's environment needs so that the shims work; ``packages`` is the attempt's own folder, ``prefix`` that
    of its Python."""
    return index_settings() | {
        PACKAGES_VARIABLE: str(packages),
        PREFIX_VARIABLE: os.path.realpath(prefix),
        "PYTHONPATH": f"{packages}:{folder / 'python'}",
    }


def shim_python() -> Path:
    """The Python that runs the shims: the one our own environment was made from, as jobs do not see ours."""
    return Path(os.path.realpath(sys.executable))


@cache
def index_settings() -> dict[str, str]:
    """Where uv is and which index it asks, read once a process: pip's files do not change under a running job.

    Not which cache we use: a job that writes into it, or installs by links from it, changes what the next environment
    is made of. Its own cache is in its own HOME, where links do no harm.
    """
    return for_jobs(child_environment(os.environ)) | {UV_VARIABLE: find_uv_bin()}
