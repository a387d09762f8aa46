"""A home knows where it was started last: a copy of it is not taken for it."""

from __future__ import annotations

import asyncio
import json
import shutil
from argparse import Namespace
from pathlib import Path

import pytest
from tests.cli.conftest import call
from tests.system.test_full_disk import Client
from tests.system.up import refused_up, up

from treering.adapters import home_place
from treering.adapters.home_place import MACHINE_VARIABLE, PLACE_FILE, Place, check_place, difference, is_elsewhere
from treering.adapters.signing import read_log_key
from treering.adapters.witnesses import add_witness, read_witnesses
from treering.config import Home
from treering.kernel.refusal import Refused
from treering_services.hosting import check_home

pytestmark = pytest.mark.anyio
HERE = Place("/srv/home", "m1", 5, 77)


@pytest.mark.parametrize(
    ("now", "refused"),
    [
        (HERE, False),
        (Place("/srv/home", "m1", 6, 77), False),  # the number of the device changed with a reboot
        (Place("/mnt/home", "m1", 5, 77), False),  # renamed, or mounted elsewhere
        (Place("/srv/home", "", 5, 77), False),  # in a container that does not know its machine
        (Place("/srv/home", "m2", 5, 77), True),
        (Place("/srv/copy", "m1", 5, 78), True),
        (Place("/srv/home", "m1", 5, 78), True),  # a copy in the place of the original
        (Place("/srv/home", "m1", 5, 0), False),  # a file system without lasting inodes: the path counts
        (Place("/srv/copy", "m1", 5, 0), True),
    ],
)
def test_which_difference_is_a_copy(now: Place, refused: bool) -> None:
    assert bool(difference(HERE, now)) is refused


def test_a_home_of_an_earlier_release_is_noted_and_a_copy_of_it_is_refused(tmp_path: Path) -> None:
    home, copied = Home(tmp_path / "home"), Home(tmp_path / "copy")
    home.create()
    check_place(home)
    assert (home.root / PLACE_FILE).exists()
    shutil.copytree(home.root, copied.root)
    with pytest.raises(Refused, match=r"up --moved.*up --new-epoch"):
        check_place(copied)
    check_place(copied, moved=True)
    check_place(copied)
    check_place(home)


def test_a_move_that_services_are_told_of_is_noted_by_the_server_of_the_log_when_its_epoch_has_begun(
    tmp_path: Path,
) -> None:
    home, copied = Home(tmp_path / "home"), Home(tmp_path / "copy")
    home.create()
    (home.nats / "store").mkdir(parents=True)
    check_place(home)
    shutil.copytree(home.root, copied.root)
    for name, begins in (("registry", False), ("gateway", False), ("nats", True)):
        options = Namespace(name=name, moved=True)
        check_home(options, copied)
        assert options.elsewhere is begins and is_elsewhere(copied)
    check_home(Namespace(name="nats", moved=True, route=["nats://b"]), copied)  # one of a cluster, which has it all
    assert not is_elsewhere(copied)


def test_another_machine_is_another_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path)
    monkeypatch.setenv(MACHINE_VARIABLE, "one")
    check_place(home)
    monkeypatch.setenv(MACHINE_VARIABLE, "two")
    with pytest.raises(Refused, match="another machine"):
        check_place(home)


def test_where_inodes_do_not_last_the_path_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home_place, "filesystem_of", lambda path: "overlay")
    home = Home(tmp_path / "home")
    home.create()
    check_place(home)
    renamed = Home(home.root.rename(tmp_path / "other"))
    with pytest.raises(Refused, match="was last started as"):
        check_place(renamed)


async def test_a_copy_made_while_its_original_runs_starts_only_as_another_log(tmp_path: Path) -> None:
    home, copied = Home(tmp_path / "home"), Home(tmp_path / "copy")
    async with up(home.root):
        add_witness(home, "file", str(tmp_path / "witness"), "w", required=False)
        shutil.copytree(home.root, copied.root)
        original = read_log_key(home.keys).name
        code, said = await refused_up(copied.root)
        assert code == 1 and "is not the folder that was last started" in said and "--new-epoch" in said
    async with up(copied.root, "--new-epoch"):
        assert read_log_key(copied.keys).name != original == read_log_key(home.keys).name
        assert read_witnesses(copied) == []


async def test_a_copy_is_verified_and_backed_up_by_its_own_files_while_its_original_runs(tmp_path: Path) -> None:
    home, copied = Home(tmp_path / "home"), Home(tmp_path / "copy")
    async with up(home.root):
        client = Client(home.root)
        await client.until_created("e1")
        shutil.copytree(home.root, copied.root)
        await client.until_created("e2")  # which the copy has not
        backup = await asyncio.to_thread(call, copied.root, "backup", str(tmp_path / "backup"), "-o", "json")
        assert backup.returncode == 0, backup.stderr
        block = next((copied.nats / "store").rglob("EVT/msgs/1.blk"))
        data = bytearray(block.read_bytes())
        data[200] ^= 1
        block.write_bytes(data)
        verified = await asyncio.to_thread(call, copied.root, "log", "verify")
        assert verified.returncode == 1 and str(block) in verified.stderr
        whole = await asyncio.to_thread(call, home.root, "log", "verify")
        assert whole.returncode == 0, whole.stderr
        found = json.loads((await asyncio.to_thread(call, copied.root, "doctor", "-o", "json")).stdout)
        assert not any(one["check"] in ("gateway", "streams", "ready") for one in found)
