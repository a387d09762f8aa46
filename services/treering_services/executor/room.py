"""What the command of an attempt may see: its own folders, its inputs and its Python. See ``adapters.sandbox``."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from uv import find_uv_bin

from treering.adapters.confined_uv import FILES_OF_INDEXES, named_files
from treering.adapters.pip_shim import index_settings, shim_python
from treering.adapters.sandbox.machine_view import is_open_to_everybody, is_shown
from treering.adapters.sandbox.port import Room
from treering.adapters.sandbox.python_paths import python_paths
from treering.adapters.sandbox.shown_paths import ShownPath, is_below
from treering.config import Home
from treering_services.executor.attempt import Attempt

NOT_DATA = (Path("/proc"), Path("/sys"), Path("/dev"), Path("/run"))


def room_of(attempt: Attempt, home: Home, shims: Path, shown: Iterable[ShownPath], gateway_url: str) -> Room:
    """Only folders that the job cannot replace by a link: the executor writes and reads beside them as itself.

    The job's log lies in the attempt's folder too and is not shown, else a job could lead it to any file.
    """
    assert attempt.python is not None
    shown = list(shown)
    direct = one_by_one(attempt.input_paths, home)
    readable = [*python_paths(attempt.python), shims, *package_tools(), *direct]
    readable += [one.path for one in shown if not one.writable]
    return Room(
        temporary=attempt.folder / "tmp",
        readable=(*(path for path in dict.fromkeys(readable) if not is_shown(path)), attempt.folder / "inputs"),
        writable=(*(one.path for one in shown if one.writable), *own_folders(attempt)),
        hidden=(home.root,),
        network=attempt.spec.network,
        gateway_url=gateway_url,
        open_to_all=tuple(path for path in direct if path not in {one.path for one in shown}),
    )


def own_folders(attempt: Attempt) -> list[Path]:
    """The code with its ./outputs, the home, TMPDIR, and each named output for itself."""
    folders = {path.parent if is_file(attempt, name) else path for name, path in attempt.output_paths.items()}
    return [attempt.code_folder, attempt.folder / "home", attempt.folder / "tmp", *sorted(folders)]


def is_file(attempt: Attempt, name: str) -> bool:
    return attempt.spec.outputs[name].type == "uri_file"


def package_tools() -> list[Path]:
    """What `pip install` in a job needs: uv, the Python of the shim, and local files that the index settings name."""
    files = named_files(index_settings(), FILES_OF_INDEXES)
    return [Path(find_uv_bin()), *python_paths(shim_python()), *files]


def one_by_one(input_paths: dict[str, str], home: Home) -> list[Path]:
    """Inputs that are paths of this machine (mode: direct), where everybody may read them. Others are seen only if the
    operator shows them: those who submit jobs would read the operator's files otherwise.
    """
    paths = [Path(os.path.normpath(text)) for text in input_paths.values() if text.startswith("/") and "\0" not in text]
    return [path for path in paths if may_be_shown(path, home)]


def may_be_shown(path: Path, home: Home) -> bool:
    real = Path(os.path.realpath(path))
    if is_below(home.root, real) or is_below(real, home.root) or any(is_below(real, place) for place in NOT_DATA):
        return False
    return is_open_to_everybody(real)
