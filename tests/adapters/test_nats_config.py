"""The generated configuration: the server accepts it, whatever the names, and hostile names are refused."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from treering.adapters.nats_accounts import add_publisher, write_accounts
from treering.adapters.nats_config import ACCOUNTS_FILE, Cluster, Settings, accounts_config, quoted, server_config
from treering.adapters.nats_connect import reached
from treering.adapters.nats_credentials import (
    CredentialMissing,
    keys_folder,
    read_credential,
    refuse_unusable,
    write_private,
)
from treering.adapters.nats_process import NatsServerError, check_config, find_server
from treering.kernel.refusal import Refused
from treering.testing.nats import RunningNats, running_nats

pytestmark = pytest.mark.anyio

HOSTILE_FOLDER = 'a "b" \\ c # $d { } é \t\n x'
HOSTILE_NAMES = (
    "", ">", "*", "a.b", "a b", '"', "../x", "-a", "_a", "é", "a\n", "a/b", "a" * 64, "x}", "%2E", "$SYS",
)  # fmt: skip
CLUSTER = Cluster("c", "n1", "127.0.0.1", 6222, ("127.0.0.1:6222", "127.0.0.1:6223"))


@pytest.mark.parametrize("cluster", [None, CLUSTER])
async def test_the_server_accepts_the_configuration(tmp_path: Path, cluster: Cluster | None) -> None:
    credentials = write_accounts(tmp_path)
    settings = Settings("n1", "127.0.0.1", 4222, tmp_path / "nats", 10**9, 10**8, cluster)
    text = server_config(settings, credentials["route"])
    (tmp_path / "nats" / "nats.conf").write_text(text)
    await check_config(find_server(), tmp_path / "nats" / "nats.conf")
    assert "sync_interval: always" in text


async def test_a_configuration_the_server_refuses_is_quoted_in_the_error(tmp_path: Path) -> None:
    (tmp_path / "nats.conf").write_text("jetstream{store_dir: x}\n")
    with pytest.raises(NatsServerError, match="unknown field"):
        await check_config(find_server(), tmp_path / "nats.conf")


async def test_a_home_with_a_hostile_path_works(tmp_path: Path) -> None:
    folder = tmp_path / HOSTILE_FOLDER
    async with running_nats(folder) as running:
        assert (running.home / "nats" / "store" / "jetstream").is_dir()


def test_a_control_character_is_refused() -> None:
    with pytest.raises(ValueError, match="control character"):
        quoted("a\x00b")


@pytest.mark.parametrize("name", HOSTILE_NAMES)
async def test_a_hostile_publisher_name_is_refused_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    with pytest.raises(Refused, match=r"publisher\.name_invalid"):
        await add_publisher(tmp_path, name)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", [">", "eve"])
async def test_a_credential_file_that_is_not_what_its_name_says_lets_nobody_in_and_is_named(
    tmp_path: Path, name: str
) -> None:
    known = write_accounts(tmp_path)
    accounts = (tmp_path / "nats" / ACCOUNTS_FILE).read_bytes()
    path = keys_folder(tmp_path) / f"publisher-{name}.json"
    write_private(path, (keys_folder(tmp_path) / "registry.json").read_bytes())
    assert write_accounts(tmp_path) == known
    assert (tmp_path / "nats" / ACCOUNTS_FILE).read_bytes() == accounts
    with pytest.raises(Refused, match=r"publisher-.*\.json") as refused:
        refuse_unusable(tmp_path)
    assert str(path) in refused.value.detail
    path.unlink()
    refuse_unusable(tmp_path)


async def test_a_publisher_added_while_the_server_runs_is_let_in_and_cuts_nobody_off(
    nats_server: RunningNats,
) -> None:
    violations: list[str] = []
    gateway = await nats_server.connect("gateway", on_violation=violations.append)
    made = await asyncio.gather(*(add_publisher(nats_server.home, name) for name in ("a", "b", "c", "a")))
    for credential in made:
        await nats_server.connect(credential.user)
    await reached(gateway)
    assert made[0] == made[3] and gateway.stats["reconnects"] == 0 and violations == []


async def test_a_publisher_made_before_the_first_start_is_let_in(tmp_path: Path) -> None:
    await add_publisher(tmp_path / "home", "early")
    async with running_nats(tmp_path) as running:
        await running.connect("publisher-early")


def test_a_password_is_made_once_and_never_shown(tmp_path: Path) -> None:
    first, second = write_accounts(tmp_path), write_accounts(tmp_path)
    assert first == second
    assert len({credential.password for credential in first.values()}) == len(first)
    assert not any(credential.password in repr(first) for credential in first.values())
    assert first["route"].password not in accounts_config(first)


def test_a_credential_others_can_read_is_not_used(tmp_path: Path) -> None:
    write_accounts(tmp_path)
    (keys_folder(tmp_path) / "registry.json").chmod(0o644)
    with pytest.raises(CredentialMissing, match="open to others"):
        read_credential(tmp_path, "registry")


def test_a_missing_credential_names_its_file(tmp_path: Path) -> None:
    with pytest.raises(CredentialMissing, match=r"registry\.json"):
        read_credential(tmp_path, "registry")
