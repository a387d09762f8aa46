"""Every secret file of a real home: whatever happens to it, `up`, `doctor` and `/readyz` name it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.system.up import refused_up

from treering.adapters.backup_keys import collect, put_back
from treering.adapters.doctor_machine import keys
from treering.adapters.home_files import FILES, is_kept, kept_files, row_of, walk
from treering.adapters.home_secrets import SecretsWatch, broken_secrets, keep_new_sums, refuse_broken
from treering.adapters.names import new_name, write_names
from treering.adapters.nats_accounts import write_accounts
from treering.adapters.nats_users import publisher_user
from treering.adapters.sealed_values import SealedValues
from treering.adapters.signing import make_log_key
from treering.adapters.subscribers import Subscribers
from treering.adapters.tokens import Tokens
from treering.adapters.webhook_secrets import webhook_secrets
from treering.adapters.witnesses import add_witness, sealed
from treering.config import Home
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address

pytestmark = pytest.mark.anyio


def one_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


HARMS: dict[str, Callable[[Path], object]] = {
    "one bit flipped": one_bit,
    "cut": cut,
    "empty": lambda path: path.write_bytes(b""),
    "not what it was": lambda path: path.write_bytes(b"\xff not \x00 JSON"),
    "open to others": lambda path: path.chmod(0o644),
    "gone": lambda path: path.unlink(),
}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A home with one secret file of every sort, made by whoever makes it in the product."""
    home = Home(tmp_path / "home")
    home.create()
    Tokens(home)
    make_log_key(home.keys)
    write_accounts(home.root, publisher_user("p"))
    Subscribers(home.keys).add("s", "main")
    write_names(home, {"u_1": new_name("Ada", "ada")})
    webhook_secrets(home).put("main.hook.1", b"whsec")
    SealedValues(home).seal(Address("main", "job", "j"), {"TOKEN": "t"})
    sealed(home).put("s3", b"{}")
    add_witness(home, "file", str(tmp_path / "witness"), "w", required=False)
    yield home


@pytest.mark.parametrize("harm", sorted(HARMS))
def test_every_secret_file_that_was_harmed_is_named(home: Home, harm: str) -> None:
    files = kept_files(home)
    watch = SecretsWatch(home)
    assert len(files) >= 16 and broken_secrets(home) == watch.look() == []
    for path in files:
        if harm == "open to others" and path.name == "witnesses.json":
            continue  # it holds no secret
        whole = path.read_bytes()
        HARMS[harm](path)
        found = broken_secrets(home)
        assert str(path) in " ".join(map(str, found)), (harm, path)
        state = "warning" if harm == "open to others" and not found[0].fatal else "wrong"
        assert any(str(path) in one.found and one.state == state for one in keys(home)), (harm, path)
        assert [one.path for one in watch.look()] == [one.path for one in found]
        path.write_bytes(whole)
        path.chmod(0o600)
    assert broken_secrets(home) == watch.look() == []


def test_a_watch_sees_that_all_notes_are_gone(home: Home) -> None:
    watch = SecretsWatch(home)
    (home.root / "home.json").write_text("{}")  # this home has been started
    assert watch.look() == []
    shutil.rmtree(home.root / "sums")
    assert [one.path for one in watch.look()] == [home.root / "sums"]


def test_every_pattern_of_a_secret_file_is_among_those_that_are_harmed(home: Home) -> None:
    rows = {row_of(path.relative_to(home.root).as_posix()) for path in kept_files(home)}
    seldom = {"keys/log.key.old-*", "keys/nats/subscriber-*.json", "keys/*"}
    assert {row.pattern for row in FILES if row.care in ("secret", "sealing")} - seldom == {
        row.pattern for row in rows if row
    }


def test_a_home_of_before_the_sums_starts_and_is_watched_from_then_on(home: Home) -> None:
    shutil.rmtree(home.root / "sums")
    assert refuse_broken(home) == []
    keep_new_sums(home)
    one_bit(home.keys / "join-token")
    with pytest.raises(Refused, match="join-token"):
        refuse_broken(home)


def test_a_seal_that_is_broken_keeps_nothing_else_from_starting(home: Home) -> None:
    one_bit(home.keys / "webhook-seal.key")
    assert [one.path.name for one in refuse_broken(home)] == ["webhook-seal.key"]
    with pytest.raises(Refused, match=r"webhook-seal\.key is not what was written"):
        webhook_secrets(home).get("main.hook.1")


def test_keys_that_were_put_back_from_a_backup_are_what_was_written(home: Home, tmp_path: Path) -> None:
    other = Home(tmp_path / "other")
    other.create()
    put_back(collect(home), other)
    assert {path.relative_to(other.root) for path in walk(other.keys)} <= {
        path.relative_to(home.root) for path in walk(home.keys)
    }
    assert broken_secrets(other) == [] and all(is_kept(other, path) for path in kept_files(other))


async def test_up_names_a_broken_secret_and_does_not_start(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()
    Tokens(home)
    one_bit(home.token_file)
    code, said = await refused_up(home.root)
    assert code == 1 and f"{home.token_file} (the owner's token) is not what was written" in said
