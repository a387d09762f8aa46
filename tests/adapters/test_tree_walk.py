"""Every walk over a folder that others filled is bounded, and ends when it is told to."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import treering
import treering_services
from treering.adapters import tree_walk
from treering.adapters.blobs import LocalBlobs
from treering.adapters.environments import publish
from treering.adapters.folders import scan
from treering.adapters.sandbox.own_user import give
from treering.adapters.seals import seal
from treering.adapters.tree_walk import DEPTH_MAX, WAYS_MAX
from treering.adapters.trees import hashed, put_tree
from treering.client import artifacts
from treering.client.http import Client
from treering.kernel.meter import Meter, Stopped, metered
from treering.kernel.refusal import Refused

pytestmark = pytest.mark.anyio

Walker = Callable[[Path], object]


def listed(folder: Path) -> object:
    """``model download`` from a server whose listing is what stands in the folder."""

    class Server:
        def get(self, path: str) -> dict[str, object]:
            within = folder / path.partition("path=")[2].replace("%2F", "/").partition("root")[2].lstrip("/")
            found = [{"path": one.name, "is_dir": one.is_dir()} for one in within.iterdir()]
            return {"files": found}

    client: Client = Server()  # type: ignore[assignment]
    return list(artifacts.walked(client, "root", "", tree_walk.Bounds("the model")))


WALKERS: dict[str, Walker] = {
    "code, data, models and outputs": scan,
    "the seal of an environment": seal,
    "an environment that is published": lambda folder: publish(folder, folder.with_name("place")),
    "a folder that is given to a user": lambda folder: give(folder, os.geteuid()),
    "the artifacts of a model that are downloaded": listed,
}
# Walks that need no bounds of this kind, and why.
EXEMPT = {
    "adapters/remove_tree.py": "it has to remove all there is, follows no link, and keeps paths short",
    "adapters/tree_walk.py": "the bounds themselves",
    "adapters/masked_files.py": "of a job's logs none may stay unmasked; it follows no link, and ends when told to",
    "client/staged.py": "what was downloaded just now, within bounds",
    "specs/azure_code.py": "it only looks, follows no link, and ends after ENTRIES_MAX",
    "adapters/cgroups.py": "folders of the kernel's own file system",
    "adapters/process_tree.py": "/proc",
    "stopping.py": "/proc",
    "adapters/sandbox/machine_view.py": "folders of the machine, to a fixed depth",
    "adapters/sandbox/root_swap.py": "/dev",
    "executor/disk_guard.py": "a job writes there meanwhile: what is too much or gone ends it with what was counted",
    "adapters/sandbox/python_paths.py": "the Python of the machine",
    "adapters/pythons.py": "the Pythons that uv has unpacked",
    "adapters/nats_staging.py": "folders of the server in memory",
    "adapters/nats_server.py": "the server's own store",
    "testing/nats.py": "the store of a test",
    "adapters/special_files.py": "the files of a home but those of jobs; links are not followed",
}
RECURSIVE = ("os.walk", "os.fwalk", "os.scandir", "os.listdir", "scandir", "shutil.copytree", "shutil.rmtree")
OF_THE_HOME = (
    "backup",
    "doctor",
    "log_",
    "home_",
    "open_home",
    "readable_home",
    "stream_",
    "blob",
)  # walks over what only we write

every_walker = pytest.mark.parametrize("walker", WALKERS.values(), ids=WALKERS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "filled"
    (folder / "deep" / "er").mkdir(parents=True)
    for name in ("one", "deep/two", "deep/er/three"):
        (folder / name).write_text(name)
    return folder


def doubled(folder: Path, levels: int) -> None:
    """2^levels paths out of three entries a level."""
    for level in range(levels):
        (folder / f"l{level}").mkdir(parents=True)
        for name in ("x", "y"):
            (folder / f"l{level}" / name).symlink_to(f"../l{level + 1}")
    (folder / f"l{levels}").mkdir()


@every_walker
def test_every_walk_says_how_many_entries_are_too_many(
    folder: Path, monkeypatch: pytest.MonkeyPatch, walker: Walker
) -> None:
    monkeypatch.setattr(tree_walk, "ENTRIES_MAX", 3)
    with pytest.raises(Refused, match=r"tree\.too_many_entries.*more than 3 files, folders and links"):
        walker(folder)


@every_walker
def test_every_walk_ends_when_nobody_waits_for_it(folder: Path, walker: Walker) -> None:
    meter = Meter()
    meter.stop()
    with metered(meter), pytest.raises(Stopped):
        walker(folder)


@every_walker
def test_every_walk_refuses_folders_nested_too_deep(folder: Path, walker: Walker) -> None:
    (folder / "/".join(["d"] * (DEPTH_MAX + 1))).mkdir(parents=True)
    with pytest.raises(Refused, match=r"tree\.too_deep.*'d/d/"):
        walker(folder)


@every_walker
def test_every_walk_refuses_paths_that_are_too_long(folder: Path, walker: Walker) -> None:
    (folder / "/".join(["n" * 250] * 5)).mkdir(parents=True)
    with pytest.raises(Refused, match=r"tree\.path_too_long.*has 1\d\d\d characters"):
        walker(folder)


def test_doubled_links_end_in_a_refusal_that_names_them(tmp_path: Path) -> None:
    doubled(tmp_path / "filled", 60)
    with pytest.raises(
        Refused, match=r"tree\.too_many_links.*'filled' lead to one folder in more than 32 ways.*/[xy]/"
    ):
        scan(tmp_path / "filled")


def test_as_many_links_as_people_use_are_followed_each(folder: Path) -> None:
    for name in ("latest", "best"):
        (folder / name).symlink_to("deep")
    assert [one.path for one in scan(folder).files if one.path.endswith("two")] == [
        "best/two",
        "deep/two",
        "latest/two",
    ]
    for number in range(WAYS_MAX - 3):
        (folder / f"link-{number}").symlink_to("deep")
    assert len(scan(folder).files) == 2 * WAYS_MAX + 1


async def test_a_file_to_which_many_links_lead_is_read_once(folder: Path) -> None:
    for number in range(9):
        (folder / f"link-{number}").symlink_to("one")
    meter = Meter()
    with metered(meter):
        tree = await put_tree(LocalBlobs(folder.with_name("blobs")), folder)
    assert (tree.files, meter.done) == (12, len("one" + "deep/two" + "deep/er/three"))


@pytest.mark.parametrize("closed", ["deep", "one"])
def test_what_its_owner_closed_is_named_and_is_no_failure_of_ours(as_nobody: Path, closed: str) -> None:
    (as_nobody / "deep" / "er").mkdir(parents=True)
    (as_nobody / "one").touch()
    (as_nobody / closed).chmod(0)
    with pytest.raises(Refused, match=rf"tree\.unreadable.*{closed}.*Permission denied"):
        hashed(scan(as_nobody).files)


def test_nothing_else_walks_by_itself() -> None:
    """The kind of mistake: a new walk without bounds over what a job or a stranger filled."""
    found = []
    for package in (treering, treering_services):
        root = Path(package.__path__[0])
        for path in sorted(root.rglob("*.py")):
            name = str(path.relative_to(root))
            if name in EXEMPT or path.name.startswith(OF_THE_HOME):
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and is_walk(ast.unparse(node.func)):
                    found.append(f"{name}:{node.lineno} {ast.unparse(node.func)}")
    assert found == []


def is_walk(called: str) -> bool:
    return called in RECURSIVE or called.endswith(".rglob")
