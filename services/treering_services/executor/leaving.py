"""Stores what a job left: its outputs and its logs. What cannot be stored is named, and fails no job.

Hours of training are not lost because of one dangling link: everything else is stored, and each file that is left out
stands with its reason in the job's log, the first ones also in the job itself.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

import msgspec
from anyio.to_thread import run_sync

from treering.adapters.blobs import LocalBlobs
from treering.adapters.builds import Say
from treering.adapters.free_space import room_in
from treering.adapters.gaps import Gaps
from treering.adapters.links_within import within
from treering.adapters.trees import Limits, Manifest, Tree, put_tree, read_manifest
from treering.domain.job_messages import LEFT_OUT_MAX, LeftOut, OutputData
from treering.kernel.file_kinds import kind_of
from treering.kernel.refusal import Refused
from treering.kernel.safe_path import CHARACTERS_MAX
from treering_services.executor.attempt import Attempt

LINES_MAX = 1000  # about files that are left out, of one output
KEPT_OF_ONE_MAX = 50  # of LEFT_OUT_MAX, so that another output has its place too
DEFAULT = "default"  # the name of ./outputs
OWN_LOGS = "./logs"  # of the script; the console is in user_logs/, so they never meet
OWN_LOGS_FOLDER = "logs/"
EMPTY = msgspec.json.encode(Manifest(()))


async def store_outputs(attempt: Attempt, blobs: LocalBlobs, say: Say) -> None:
    """The named outputs, and ./outputs and ./logs unless they are empty."""
    attempt.left_out.clear()  # of an earlier try, for which the disk had no room
    attempt.left_out_count = 0
    for name, path in attempt.output_paths.items():
        folder = path.parent if attempt.spec.outputs[name].type == "uri_file" else path
        attempt.outputs[name] = await stored(attempt, blobs, name, folder, say)
    default = attempt.code_folder / "outputs"
    if has_something(default):
        attempt.outputs[DEFAULT] = await stored(attempt, blobs, DEFAULT, default, say)
    attempt.own_logs = ""
    if has_something(own_logs := attempt.code_folder / OWN_LOGS):
        attempt.own_logs = (await stored(attempt, blobs, OWN_LOGS, own_logs, say)).digest


def has_something(folder: Path) -> bool:
    """False where there is certainly nothing to store, and nothing to say about it."""
    try:
        return folder.is_symlink() or any(folder.iterdir())
    except OSError:
        return os.path.lexists(folder)


async def stored(attempt: Attempt, blobs: LocalBlobs, name: str, folder: Path, say: Say) -> OutputData:
    """The folder as a tree, and a line for each file that it is without."""
    gaps = Gaps(LINES_MAX)
    tree = await tree_of(attempt, blobs, folder, gaps)
    if name == OWN_LOGS:
        tree = tree._replace(digest=await in_own_folder(blobs, tree.digest, gaps))
    called = {DEFAULT: "./outputs", OWN_LOGS: OWN_LOGS}.get(name, f"output {name}")
    for gap in gaps.kept:
        say(f"left out of {called}: {gap.path} ({gap.code}): {gap.reason}")
    if gaps.count > len(gaps.kept):
        say(f"left out of {called}: {gaps.count - len(gaps.kept)} more files; {gaps.count} in all")
    keep(attempt, name, gaps)
    return OutputData(tree.digest, tree.files, tree.size_bytes)


async def tree_of(attempt: Attempt, blobs: LocalBlobs, folder: Path, gaps: Gaps) -> Tree:
    try:
        real = real_folder(attempt.folder, folder)
        room = room_in(blobs.root)
        left_bytes = max(0, room.free_bytes - room.services_bytes_min)
        return await put_tree(blobs, real, ignore=False, limits=Limits(holes_bytes_max=left_bytes), leave_out=gaps.add)
    except Refused as refused:
        gaps.add("", refused)
        return Tree(await blobs.put_bytes(EMPTY), 0, 0)


async def in_own_folder(blobs: LocalBlobs, digest: str, gaps: Gaps) -> str:
    """The tree of ./logs with each path below ``logs/``, which is too long for a few."""
    tree = await read_manifest(blobs, digest)
    longest = CHARACTERS_MAX - len(OWN_LOGS_FOLDER)
    for path in (*(file.path for file in tree.files), *tree.folders):
        if len(path) > longest:
            gaps.add(path, Refused("path.unsafe", f"a path in ./logs has at most {longest} characters"))
    files = [msgspec.structs.replace(one, path=f"{OWN_LOGS_FOLDER}{one.path}") for one in tree.files]
    folders = [f"{OWN_LOGS_FOLDER}{path}" for path in tree.folders]
    fits = Manifest(
        tuple(one for one in files if len(one.path) <= CHARACTERS_MAX),
        tuple(path for path in folders if len(path) <= CHARACTERS_MAX),
    )
    return await blobs.put_bytes(await run_sync(msgspec.json.encode, fits))


def real_folder(root: Path, folder: Path) -> Path:
    """Where an output lies. A job may have put a link in its place, which is followed to what is the job's own, or a
    file, which is stored as a folder of one.

    Raises ``Refused`` ``tree.absent``, ``tree.symlink``, ``tree.special_file``: nothing can be stored of it.
    """
    try:
        real = within(root, folder)
    except OSError:
        raise Refused("tree.absent", "the folder was removed, or is a link that leads nowhere") from None
    if real is None:
        raise Refused("tree.symlink", "the folder was replaced by a link that leads out of the job's own folder")
    mode = os.lstat(real).st_mode
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise Refused("tree.special_file", f"the folder was replaced by {kind_of(mode)}; write into the folder itself")
    return real


def keep(attempt: Attempt, name: str, gaps: Gaps) -> None:
    room = min(KEPT_OF_ONE_MAX, LEFT_OUT_MAX - len(attempt.left_out))
    attempt.left_out += [LeftOut(name, *gap) for gap in gaps.kept[:room]]
    attempt.left_out_count += gaps.count


async def store_logs(attempt: Attempt, blobs: LocalBlobs) -> None:
    """The console, once it is complete, and what the script wrote into ./logs, as one tree; nothing where there is
    neither."""
    digests = [attempt.own_logs] if attempt.own_logs else []
    if attempt.log_file.exists() and attempt.log_file.stat().st_size:
        gaps = Gaps(KEPT_OF_ONE_MAX)
        tree = await put_tree(blobs, attempt.folder / "logs", ignore=False, leave_out=gaps.add)
        digests.append(tree.digest)
        keep(attempt, "logs", gaps)
    attempt.logs = digests[0] if len(digests) == 1 else await joined(blobs, digests)


async def joined(blobs: LocalBlobs, digests: Sequence[str]) -> str:
    """One tree of all the files of several that have no path in common; "" of none."""
    if not digests:
        return ""
    trees = [await read_manifest(blobs, digest) for digest in digests]
    files = sorted((file for tree in trees for file in tree.files), key=lambda file: file.path)
    folders = sorted(folder for tree in trees for folder in tree.folders)
    manifest = await run_sync(msgspec.json.encode, Manifest(tuple(files), tuple(folders)))
    return await blobs.put_bytes(manifest)
