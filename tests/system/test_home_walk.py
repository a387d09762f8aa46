"""Every file and folder of a home is removed, replaced by another form, or by a link to nothing: the doctor names it,
or a start makes it again; and what a start refuses, or warns of, the doctor says too."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.system.harms import of_other_form, removed
from tests.system.test_any_flip import made_home
from tests.system.test_full_disk import Client
from tests.system.test_home_faults import said_by_up
from tests.system.up import up

from treering.adapters.doctor import CHECKS, checked
from treering.adapters.findings import Finding
from treering.adapters.home_files import name_of, row_of
from treering.adapters.home_secrets import SecretsWatch
from treering.config import Home

pytestmark = pytest.mark.anyio
LOOKED = ("home", "keys", "copy", "blobs", "deliveries", "names")
SECRETS = ("token", "keys/nats/gateway.json", "keys/subscribers/s.json")  # with a changed one nothing starts
MADE_AGAIN = ("remade", "scratch", "view")
SIDE_FILES = ("-wal", "-shm")


def linked_to_nothing(path: Path) -> None:
    removed(path)
    path.symlink_to("/nowhere/at/all")


HARMS: tuple[Callable[[Path], None], ...] = (removed, of_other_form, linked_to_nothing)


def places(home: Home) -> list[Path]:
    """Every folder, and a file of each row."""
    found: dict[object, Path] = {}
    for path in sorted(home.root.rglob("*")):
        if path.name.startswith(".") or path.name.endswith(SIDE_FILES) or "shims" in path.parts:
            continue
        row = row_of(name_of(home, path))
        found[path if path.is_dir() else row] = path
    return list(found.values())


@contextmanager
def harmed(home: Home, path: Path, harm: Callable[[Path], None]) -> Iterator[None]:
    """Only inside the block; a start may have made other things again."""
    aside = home.root.with_name("aside")
    (shutil.copytree if path.is_dir() else shutil.copy2)(path, aside)
    harm(path)
    try:
        yield
    finally:
        if path.exists() or path.is_symlink():
            removed(path)
        aside.rename(path)


def doctor(home: Home, *names: str) -> list[Finding]:
    return [one for name in names for one in checked(name, CHECKS[name], home) if one.state != "ok"]


def is_named(path: Path, found: list[Finding]) -> bool:
    return any(str(path) in one.found for one in found)


def judged(home: Home, path: Path, harm: Callable[[Path], None], capsys: pytest.CaptureFixture[str]) -> str:
    """What is wrong with what the two say; "" when all is well."""
    harmless = is_harmless(home, path, harm)
    with harmed(home, path, harm):
        found = doctor(home, *LOOKED)
        if not is_named(path, found) and home.nats in (path, *path.parents):
            found += doctor(home, "log")
        starts, said = said_by_up(home, capsys)
    wrong = [one for one in found if one.state == "wrong"]
    if not starts and not is_named(path, wrong):
        return f"a start is refused ({said}), and the doctor says {found}"
    if starts and any(one.check == "home" for one in wrong):
        return f"a start goes on, and the doctor says {wrong}"
    if said and not found:
        return f"a start says {said}, and the doctor nothing"
    return "" if is_named(path, found) or harmless else f"nobody names it: {found}"


def is_harmless(home: Home, path: Path, harm: Callable[[Path], None]) -> bool:
    """Because a start makes it again, or the doctor has started a server on it and compared all that it holds."""
    name = name_of(home, path)
    row = row_of(f"{name}/x" if path.is_dir() else name)
    unused = harm is removed and row is not None and row.care == "content"  # no job is of the blob that is there
    return unused or name.startswith("nats/store/") or (row is not None and row.care in MADE_AGAIN)


def harms_of(home: Home) -> list[tuple[Path, Callable[[Path], None]]]:
    """All that is done. A file that is a link to nothing is to most as if it were removed."""
    some = {path: HARMS if path.is_dir() or path.parent == home.copy else HARMS[:2] for path in places(home)}
    return [(path, harm) for path, harms in some.items() for harm in harms]


def missed(home: Home, step: int, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """Of every ``step``-th harm what is wrong, by its name."""
    found = {}
    for path, harm in harms_of(home)[::step]:
        if why := judged(home, path, harm, capsys):
            found[f"{name_of(home, path)} {harm.__name__}"] = why
    return found


@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.soak)])
async def test_each_file_and_folder_of_a_home_is_missed_or_made_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], step: int
) -> None:
    home = await made_home(tmp_path)
    assert doctor(home, *LOOKED) == []
    assert await asyncio.to_thread(missed, home, step, capsys) == {}
    await what_is_harmless_is_made_again(home)


async def what_is_harmless_is_made_again(home: Home) -> None:
    """All of it is gone at once, and the second copies and the notes of the secrets with it."""
    kept = ("home.json", "sums")
    for path in sorted(home.root.rglob("*"), reverse=True):
        row = row_of(name_of(home, path))
        again = row is not None and row.care in MADE_AGAIN and not name_of(home, path).startswith(kept)
        if path.is_file() and (again or path.parent == home.copy):
            path.unlink()
    shutil.rmtree(home.root / "sums" / "keys")
    async with up(home.root):
        assert {f"e{number}" for number in range(20)} <= await Client(home.root).names()
    assert doctor(home, *LOOKED) == []
    assert all((home.root / name).exists() for name in ("sums/keys/nats", "copy/log.db", "copy/points.db", "nats/url"))


async def test_a_secret_file_that_others_may_read_is_judged_alike(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = await made_home(tmp_path)
    for name in (
        "token",
        "keys/nats/gateway.json",
        "keys/subscribers/s.json",
        "keys/webhook-seal.key",
        "keys",
        "keys/nats",
    ):
        path = home.root / name
        mode = path.stat().st_mode
        path.chmod(mode | 0o044)
        found, (starts, said) = doctor(home, "keys"), said_by_up(home, capsys)
        path.chmod(mode)
        assert str(path) in said and [one.state for one in found] == ["warning" if starts else "wrong"], (name, found)
        assert str(path) in found[0].found and starts == (name not in SECRETS), (name, said)


async def test_notes_that_are_all_gone_are_missed_and_a_folder_of_lost_files_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = await made_home(tmp_path)
    with harmed(home, home.root / "sums", removed):
        assert is_named(home.root / "sums", doctor(home, "keys"))
        assert [name_of(home, one.path) for one in SecretsWatch(home).look()] == ["sums"]
        starts, said = said_by_up(home, capsys)
        assert starts and f"{home.root / 'sums'} (the hashes of the secret files)" in said
    with harmed(home, home.keys / "nats", removed):
        (finding,) = doctor(home, "keys")
        assert f"{home.keys / 'nats'} (" in finding.found and "none of its 11 files" in finding.found
        starts, said = said_by_up(home, capsys)
        assert not starts and said.count(str(home.keys / "nats")) == 1
