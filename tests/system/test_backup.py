"""The drill: a running installation is backed up twice, lost, restored into an empty home, and answers as it did."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import stat
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.cli.conftest import Done, call
from tests.system.backup_damage import (
    damage_is_said_of_the_archive,
    keys_of_another_installation_are_told_apart,
    what_is_no_file_is_named,
)
from tests.system.http_client import JOBS, Gateway
from tests.system.up import up
from tests.system.views import until

from treering.adapters.backup import make_backup, reader
from treering.adapters.backup_restore import restore_backup
from treering.adapters.nats_connect import close
from treering.config import Home
from treering.kernel.log import LogDamaged
from treering.kernel.points import Points, RunPoints, Series
from treering.kernel.refusal import Refused

pytestmark = pytest.mark.anyio
WAIT_SECONDS = 30.0
SPEC = {"command": "echo said by the job; mkdir -p outputs; echo kept > outputs/file.txt", "environment": {}}
WRITERS = 4


async def treering(home: Home, *arguments: str) -> Done:
    return await asyncio.to_thread(call, home.root, *arguments)


async def answer(home: Home, *arguments: str) -> Any:
    done = await treering(home, *arguments, "-o", "json")
    assert done.returncode == 0, (arguments, done.stderr)
    return json.loads(done.stdout)


async def run_job(home: Home, name: str) -> None:
    await Gateway(home, []).submit(name, SPEC)
    assert await until(lambda: Gateway(home, []).get_once(f"{JOBS}/{name}").get("status") == "Completed", WAIT_SECONDS)


async def log_points(home: Home, number: int) -> None:
    """What the gateway stores when a run logs a metric."""
    series = Series("loss", [1.0 / number], [number], [number])
    run = RunPoints("ab" * 16, 1, 1, 0, "u_1", [series])
    body = msgspec.json.encode(Points(f"p{number}", datetime(2026, 1, 1, tzinfo=UTC), [run]))
    client = await reader(home)
    try:
        reply = await client.request("met.main.points", body, timeout=5.0)
    finally:
        await close(client)
    assert json.loads(reply.data)["seq"] == number


async def keep_writing(home: Home, stopped: asyncio.Event, number: int) -> None:
    gateway = Gateway(home, [])
    turn = 0
    while not stopped.is_set():
        turn += 1
        await gateway.update("first", {f"w{number}": str(turn)}, f"w{number}-{turn}")


async def asked(home: Home, until_position: int) -> dict[str, Any]:
    """What the old and the restored installation must answer alike, as of a position."""
    found = {
        "story": await answer(home, "story", "job/first"),
        "past": await answer(home, "show", "job/first", "--at", str(until_position)),
        "audit": await answer(home, "audit", "query", "--until", str(until_position)),
        "jobs": await answer(home, "show", "job/second", "--at", str(until_position)),
    }
    found["story"] = [row for row in found["story"] if row["position"] <= until_position]
    return found


async def test_a_running_installation_is_backed_up_lost_and_restored_as_it_was(tmp_path: Path) -> None:
    home, backup, empty = Home(tmp_path / "home"), tmp_path / "backup", Home(tmp_path / "other" / "home")
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("correct horse battery\n")
    passphrase.chmod(0o600)
    seal = ("--passphrase-file", str(passphrase))
    # Given an installation that works while it is backed up, twice,
    async with up(home.root):
        await run_job(home, "first")
        await log_points(home, 1)
        first = await answer(home, "backup", str(backup), *seal)
        stopped = asyncio.Event()
        writers = [asyncio.create_task(keep_writing(home, stopped, number)) for number in range(WRITERS)]
        await run_job(home, "second")
        await log_points(home, 2)
        assert (await treering(home, "log", "checkpoint")).returncode == 0
        second = await answer(home, "backup", str(backup), *seal)
        stopped.set()
        await asyncio.gather(*writers)
        await run_job(home, "later")
        wanted = await asked(home, second["log"]["positions"])
        token = home.token_file.read_text()
        last = json.loads((await treering(home, "events")).stdout.splitlines()[-1])["id"]
    # (the second backup took only what was new)
    assert first["new_commits"] == first["log"]["positions"] > 0 and first["new_blobs"] == first["blobs"]["count"] > 0
    assert second["new_commits"] == second["log"]["positions"] - first["log"]["positions"] > 0
    assert second["new_blobs"] == second["blobs"]["count"] - first["blobs"]["count"]
    assert second["points"]["positions"] == 2
    # when it is lost, and the backup is restored into an empty home,
    shutil.rmtree(home.root)
    restored = await answer(empty, "restore", str(backup), *seal)
    assert (restored["log"], restored["points"]) == (second["log"], second["points"])
    # then it starts with the same token and the same log, and answers what the lost one answered,
    assert empty.deliveries.read_bytes() == (backup / "deliveries.db").read_bytes()
    assert (empty.copy / "checkpoint").read_text().startswith("treering/")  # signed, and checked against the log
    assert empty.token_file.read_text() == token and stat.S_IMODE(empty.token_file.stat().st_mode) == 0o600
    async with up(empty.root):
        verified = await answer(empty, "log", "verify")
        assert verified["ok"] and verified["positions"] >= second["log"]["positions"]
        assert await asked(empty, second["log"]["positions"]) == wanted
        downloads = tmp_path / "downloads"
        assert (
            await treering(empty, "job", "download", "-n", "second", "--all", "--download-path", str(downloads))
        ).returncode == 0
        assert next(downloads.rglob("file.txt")).read_text() == "kept\n"
        assert (await treering(empty, "job", "stream", "-n", "first")).stdout.count("said by the job") == 1
        assert Gateway(empty, []).get_once(f"{JOBS}/later")["code"] == "job.absent"
        # and works on.
        await run_job(empty, "after")
        await log_points(empty, 3)
        await who_comes_back_with_an_event_of_the_lost_one_is_told(empty, last, second["log"]["positions"])


async def who_comes_back_with_an_event_of_the_lost_one_is_told(home: Home, last: str, common: int) -> None:
    refused = await treering(home, "events", "--since", last)
    epoch = Gateway(home, []).get_once("/v1/status")["epoch"]
    assert refused.returncode == 1 and "position.other_log" in refused.stderr
    assert f"go on behind {epoch}:{common}, " in refused.stderr
    behind = (await treering(home, "events", "--since", f"{epoch}:{common}")).stdout.splitlines()
    events = [json.loads(line) for line in behind]
    assert [events[0]["position"], events[0]["type"]] == [common + 1, "installation.epoch_begun"]
    assert all(event["id"].startswith(f"{epoch}:{event['position']}.") for event in events)


async def test_a_backup_as_one_file_without_a_server_and_with_the_keys_apart(tmp_path: Path) -> None:
    home, empty = Home(tmp_path / "home"), Home(tmp_path / "empty")
    archive, keys = tmp_path / "backup.tar", tmp_path / "keys.json"
    async with up(home.root):
        await run_job(home, "first")
    made = await answer(home, "backup", str(archive), "--keys-to", str(keys))
    assert (
        made["keys"] == "apart" and stat.S_IMODE(keys.stat().st_mode) == stat.S_IMODE(archive.stat().st_mode) == 0o600
    )
    secrets = [home.token_file.read_bytes(), *(path.read_bytes() for path in home.keys.rglob("*.key"))]
    assert not any(secret.strip() in archive.read_bytes() for secret in secrets)
    refused = await treering(empty, "restore", str(archive))
    assert refused.returncode == 1 and "backup.keys_missing" in refused.stderr and not empty.token_file.exists()
    restored = await answer(empty, "restore", str(archive), "--keys-from", str(keys))
    assert restored["log"] == made["log"] and restored["key_files"] > 3
    again = await treering(empty, "restore", str(archive), "--keys-from", str(keys))
    assert again.returncode == 1 and "backup.home_used" in again.stderr
    async with up(empty.root):
        assert Gateway(empty, []).get_once(f"{JOBS}/first")["status"] == "Completed"


async def test_a_home_whose_monitor_was_killed_is_backed_up_with_all_of_its_log(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    async with up(home.root) as process:
        made = Gateway(home, []).post_once("/v1/workspaces/main/experiments/last/create", {}, "e")
        process.kill()  # the second copy would have had it a moment later
        await process.wait()
    assert made is not None and made.status == 201
    backup = await make_backup(home, tmp_path / "backup", passphrase=b"correct horse battery")
    assert backup.log.positions >= made.position


async def test_damage_to_a_backup_is_found_whatever_file_it_hit(tmp_path: Path) -> None:
    home, backup = Home(tmp_path / "home"), tmp_path / "backup"
    async with up(home.root):
        await run_job(home, "first")
        await log_points(home, 1)
    await make_backup(home, backup, passphrase=b"correct horse battery")
    blob = max((backup / "blobs").rglob("sha256/*/*"), key=lambda path: path.stat().st_size)
    for number, path in enumerate([backup / "blobs.list", backup / "keys.sealed", backup / "deliveries.db", blob]):
        with changed(path):
            await refuses(backup, Home(tmp_path / f"empty-{number}"))
    for name in ("log.db", "points.db"):
        kept = (backup / name).read_bytes()
        with closing(sqlite3.connect(backup / name)) as db, db:
            db.execute(
                "UPDATE commits SET body = replace(body, '1', '2') WHERE position = (SELECT max(position) FROM commits)"
            )
        await refuses(backup, Home(tmp_path / f"empty-{name}"))
        (backup / name).write_bytes(kept)
    manifest = backup / "backup.json"
    kept = manifest.read_bytes()
    position = json.loads(kept)["log"]["positions"]
    shorter = (b'"positions": %d' % position, b'"positions": %d' % (position - 1))
    for old, new in (shorter, (b"treering/", b"treerinx/")):
        manifest.write_bytes(kept.replace(old, new))
        with pytest.raises((Refused, LogDamaged)):
            await restore_backup(backup, Home(tmp_path / "empty-m"), passphrase=b"correct horse battery")
        assert manifest.read_bytes() != kept and not (tmp_path / "empty-m").exists()
    manifest.write_bytes(kept)
    with pytest.raises(Refused, match=r"passphrase\.wrong"):
        await restore_backup(backup, Home(tmp_path / "empty-p"), passphrase=b"correct horse cattery")
    for path in sorted(one for one in backup.iterdir() if one.is_file() and one.name != "lock"):
        await what_is_no_file_is_named(home, backup, path)
    await damage_is_said_of_the_archive(backup, tmp_path)
    await keys_of_another_installation_are_told_apart(backup, tmp_path)
    # What is left whole is restored,
    restored = await restore_backup(backup, Home(tmp_path / "empty"), passphrase=b"correct horse battery")
    assert restored.points.positions == 1
    # and a backup of one installation takes nothing of another, nor does a folder with other things in it.
    other = Home(tmp_path / "second-home")
    async with up(other.root):
        pass
    with pytest.raises(Refused, match=r"backup\.other_log"):
        await make_backup(other, backup)
    with pytest.raises(Refused, match=r"backup\.folder_used"):
        await make_backup(other, tmp_path)


class changed:
    """One byte in the middle of the file is another one inside the block."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        self.kept = self.path.read_bytes()
        middle = len(self.kept) // 2
        self.path.chmod(0o600)
        self.path.write_bytes(self.kept[:middle] + bytes([self.kept[middle] ^ 1]) + self.kept[middle + 1 :])

    def __exit__(self, *_: object) -> None:
        self.path.write_bytes(self.kept)


async def refuses(backup: Path, home: Home) -> None:
    with pytest.raises(Refused, match=r"backup\.damaged|passphrase\.wrong"):
        await restore_backup(backup, home, passphrase=b"correct horse battery")
    assert not home.root.exists()


async def test_restored_without_keys_people_still_have_their_names(tmp_path: Path) -> None:
    home, new = Home(tmp_path / "home"), Home(tmp_path / "new")
    async with up(home.root):
        await answer(home, "experiment", "create", "--name", "kept")
        by = (await answer(home, "experiment", "show", "--name", "kept"))["creation_context"]["created_by"]
        await answer(home, "backup", str(tmp_path / "backup"))
    assert not by.startswith("u_")
    await answer(new, "restore", str(tmp_path / "backup"), "--no-keys")
    async with up(new.root):
        shown = await answer(new, "experiment", "show", "--name", "kept")
        assert shown["creation_context"]["created_by"] == by
        kinds = await answer(new, "audit", "query", "--kind", "credential")
    assert [one["type"] for one in kinds] == ["credential.rotated", "credential.granted"]


@pytest.mark.parametrize("on", [False, True])
async def test_webhooks_of_a_restored_home_wait_until_somebody_says_otherwise(tmp_path: Path, on: bool) -> None:
    home, new, keys = Home(tmp_path / "home"), Home(tmp_path / "new"), tmp_path / "keys.json"
    async with up(home.root):
        for name in ("first", "second"):
            await answer(home, "webhook", "create", "--name", name, "--url", "https://example.com/hook")
        await answer(home, "webhook", "pause", "--name", "second")
        await answer(home, "backup", str(tmp_path / "backup"), "--keys-to", str(keys))
    arguments = ("--keys-from", str(keys), *(["--webhooks-on"] if on else []))
    done = await treering(new, "restore", str(tmp_path / "backup"), *arguments, "-o", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["webhooks_paused"] == ([] if on else ["main/first"])
    assert ("paused: the webhooks main/first" in done.stderr) is not on
    async with up(new.root):
        assert (await answer(new, "show", "webhook/first"))["status"] == ("active" if on else "paused")
        story = await answer(new, "story", "webhook/first")
        assert [one["type"] for one in story][1:] == ([] if on else ["webhook.paused"])
        assert len({one["by"] for one in story}) == 1  # by whoever restored it, under their name
        assert (await answer(new, "log", "verify"))["ok"] is True


async def test_a_webhook_whose_secret_was_not_restored_does_not_go_on_as_if_it_were(tmp_path: Path) -> None:
    home, new = Home(tmp_path / "home"), Home(tmp_path / "new")
    async with up(home.root):
        await answer(home, "webhook", "create", "--name", "first", "--url", "https://example.com/hook")
        await answer(home, "backup", str(tmp_path / "backup"))
    made = await treering(new, "restore", str(tmp_path / "backup"), "--no-keys", "--webhooks-on", "-o", "json")
    assert json.loads(made.stdout)["webhooks_paused"] == ["main/first"]
    assert "among the keys, which were not restored" in made.stderr and "rotate-secret NAME" in made.stderr
    async with up(new.root):
        done = await treering(new, "webhook", "resume", "--name", "first")
        assert done.returncode == 1 and "(webhook.secret_missing)" in done.stderr
        await answer(new, "webhook", "rotate-secret", "--name", "first")
        done = await treering(new, "webhook", "resume", "--name", "first")
        assert done.returncode == 1 and "(webhook.address_missing)" in done.stderr
        await answer(new, "webhook", "update", "--name", "first", "--url", "https://example.com/hook")
        assert (await answer(new, "webhook", "resume", "--name", "first"))["status"] == "active"
