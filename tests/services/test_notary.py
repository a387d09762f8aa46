"""What the monitor signs, whom it gives it to, and that a log set back or rewritten behind that does not start."""

from __future__ import annotations

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.services.monitor_example import (
    Installation,
    all_entries,
    copy_file,
    experiment,
    filled,
    installation,
    stopped,
)

from treering.adapters.checkpoints import read_own, set_series_aside
from treering.adapters.log_check import check_all_signed, read_alarm
from treering.adapters.notes import from_base64
from treering.adapters.proofs import Extended, Included, check, inclusion_bytes, inclusion_of
from treering.adapters.signing import VerifierKey, parse_verifier_key, read_log_key
from treering.adapters.witness_git import GitWitness
from treering.adapters.witnesses import (
    Witness,
    WitnessUnreachable,
    add_witness,
    held,
    read_witnesses,
    remove_witness,
    write_witnesses,
)
from treering.config import Home
from treering.domain.experiment_messages import CreateExperiment
from treering.kernel.log import LogDamaged
from treering.kernel.refusal import Refused
from treering.kernel.service import ServiceFailed
from treering.kernel.subjects import address_of
from treering.testing.nats import RunningNats
from treering.views.proof_queries import (
    CheckpointAnswer,
    CheckpointQuery,
    ConsistencyAnswer,
    ConsistencyQuery,
    ProveAnswer,
    ProveQuery,
)
from treering.views.queries import StatusAnswer, StatusQuery
from treering_services.monitor import notary

pytestmark = pytest.mark.anyio


async def checkpoint(running: Installation, *, sign: bool = True) -> CheckpointAnswer:
    return await running.ask("checkpoint", CheckpointQuery(sign), CheckpointAnswer)


def key_of(home: Home) -> VerifierKey:
    return read_log_key(home.keys).verifier


def signed_size(home: Home) -> int:
    own = read_own(home)
    return own.head.size if own else 0


def git_witness(folder: Path) -> Path:
    repository = folder / "witness.git"
    subprocess.run(["git", "init", "--quiet", "--bare", str(repository)], check=True, timeout=60)
    return repository


def messages(repository: Path) -> list[str]:
    """What the commits of the checkpoints say, newest first."""
    command = ["git", "-C", str(repository), "log", "--format=%s", "treering-checkpoints"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()


def kept(home: Home, folder: Path) -> Path:
    """A backup of all that is in a home that does not run."""
    return Path(shutil.copytree(home.root, folder))


def put_back(home: Home, backup: Path, *parts: str) -> None:
    for part in parts:
        path = home.root / part
        if path.is_dir():
            shutil.rmtree(path)
        source = backup / part
        if source.is_dir():
            shutil.copytree(source, path)
        else:
            shutil.copy(source, path)


async def refused_start(nats: RunningNats) -> str:
    """Why a start is refused, before anything is written."""
    await nats.server.start()
    home = Home(nats.home)
    with pytest.raises(LogDamaged) as found:
        await check_all_signed(await nats.connect("bootstrap"), home)
    assert "Nothing was written" in str(found.value) and "docs/proof.md" in str(found.value)
    await stopped(nats, killed=False)
    return str(found.value)


async def test_every_event_is_proven_and_the_log_only_grows(nats_server: RunningNats) -> None:
    # Given a log with a checkpoint in the middle,
    async with installation(nats_server) as running:
        await filled(running, 20)
        early = await checkpoint(running)
        last = await filled(running, 40)
        key = parse_verifier_key(early.key)
        assert key.open_head(early.note.encode()).size == early.size
        # when any event is asked to be proven, then its proof holds with the key alone,
        for entry in await all_entries(nats_server, last):
            query = ProveQuery(*address_of(entry.subject), position=entry.position)
            found = await running.ask("prove", query, ProveAnswer)
            hashes = [from_base64(hash) for hash in found.hashes]
            data = inclusion_bytes(inclusion_of(entry, hashes, found.checkpoint.encode()))
            shown = check(data, key)
            assert isinstance(shown, Included) and shown.entry == entry
        # and the log is shown to be what the one of the early checkpoint became.
        proof = await running.ask("consistency", ConsistencyQuery(early.size), ConsistencyAnswer)
        grown = check(proof.proof.encode(), key)
        assert isinstance(grown, Extended) and grown.old == key.open_head(early.note.encode())
        assert grown.new.size == proof.new >= last
    # What was signed at the end is all there was.
    assert signed_size(running.home) >= last


async def test_what_cannot_be_proven_is_refused(nats_server: RunningNats) -> None:
    async with installation(nats_server) as running:
        last = await filled(running, 3)
        with pytest.raises(Refused, match="has no event"):
            await running.ask("prove", ProveQuery("w", "experiment", "nobody"), ProveAnswer)
        with pytest.raises(Refused, match=f"has no event at position {last + 99}"):
            await running.ask("prove", ProveQuery("w", "experiment", "e0", position=last + 99), ProveAnswer)
        for sizes in ((0, 0), (5, 4), (1, last + 99)):
            with pytest.raises(Refused, match=r"checkpoint\.range"):
                await running.ask("consistency", ConsistencyQuery(*sizes), ConsistencyAnswer)


async def test_a_checkpoint_is_signed_at_the_stated_cadence_and_given_to_the_witnesses(
    nats_server: RunningNats, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Given two witnesses, and a cadence of ten commits,
    monkeypatch.setattr(notary, "CHECKPOINT_COMMITS", 10)
    home = Home(nats_server.home)
    home.create()
    add_witness(home, "file", str(tmp_path / "witness"), "", required=True)
    add_witness(home, "git", str(git_witness(tmp_path)), "", required=True)
    async with installation(nats_server) as running:
        # when commits come, then a checkpoint of them is at both by itself,
        await filled(running, 30)
        while (state := await checkpoint(running, sign=False)).size < 20 or len(state.witnesses) < 2:
            pass
        assert [(one.name, one.why) for one in state.witnesses] == [("file-1", ""), ("git-2", "")]
        # and what is signed on demand is there when the answer comes.
        await running.send(experiment("more"), CreateExperiment())
        note = (await checkpoint(running)).note.encode()
        assert [held(home, one) for one in read_witnesses(home)] == [note, note]
        assert (await running.ask("status", StatusQuery(), StatusAnswer)).signed_until == key_of(home).open_head(
            note
        ).size
    # What is signed at the stop is there too; each is a commit of the repository.
    own = read_own(home)
    assert own is not None
    heads = [key_of(home).open_head(held(home, one) or b"") for one in read_witnesses(home)]
    assert heads == [own.head, own.head]
    log = messages(tmp_path / "witness.git")
    assert log[0] == f"{own.head.size} commits" and len(log) >= 2


async def test_a_checkpoint_is_signed_soon_after_the_last_commit(
    nats_server: RunningNats, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notary, "CHECKPOINT_SECONDS", 0.01)
    async with installation(nats_server) as running:
        last = await filled(running, 3)
        while (await checkpoint(running, sign=False)).size < last:
            pass
        assert signed_size(running.home) >= last


@pytest.mark.parametrize("kind", ["file", "git"])
async def test_a_home_set_back_as_a_whole_is_refused_by_its_witness(
    nats_server: RunningNats, tmp_path: Path, kind: str
) -> None:
    # Given a backup of a home, which then went on,
    home = Home(nats_server.home)
    home.create()
    target = tmp_path / "witness" if kind == "file" else git_witness(tmp_path)
    add_witness(home, "file" if kind == "file" else "git", str(target), "", required=False)
    async with installation(nats_server) as running:
        await filled(running, 10)
    await stopped(nats_server, killed=False)
    backup, early = kept(home, tmp_path / "backup"), signed_size(home)
    await nats_server.server.start()
    async with installation(nats_server) as running:
        await filled(running, 30)
    late = signed_size(home)
    await stopped(nats_server, killed=False)
    # when log, copy and checkpoint are set back to it together, then the witness knows better.
    put_back(home, backup, "nats", "copy", "views")
    why = await refused_start(nats_server)
    assert f"the log ends at position {early}, but the witness {kind}-1 ({target}) says it had {late} commits" in why
    assert f"those from position {early + 1} on are gone" in why
    # A monitor by itself does not start either.
    await nats_server.server.start()
    with pytest.raises(ServiceFailed, match=f"monitor stopped: the log ends at position {early}"):
        async with installation(nats_server, writers=False):
            pass


async def test_a_log_set_back_behind_its_own_checkpoint_is_refused(nats_server: RunningNats, tmp_path: Path) -> None:
    home = Home(nats_server.home)
    async with installation(nats_server) as running:
        await filled(running, 10)
    await stopped(nats_server, killed=False)
    backup = kept(home, tmp_path / "backup")
    await nats_server.server.start()
    async with installation(nats_server) as running:
        await filled(running, 30)
    await stopped(nats_server, killed=False)
    put_back(home, backup, "nats", "copy/log.db", "views")
    assert "but the signed checkpoint" in await refused_start(nats_server)
    # Also when there is no copy at all to compare with.
    copy_file(nats_server).unlink()
    assert "but the signed checkpoint" in await refused_start(nats_server)


async def test_a_fork_is_refused_by_the_witness_of_the_first_branch(nats_server: RunningNats, tmp_path: Path) -> None:
    # Given a home that was set back while nobody looked, and then went on to more than the witness had seen,
    home = Home(nats_server.home)
    home.create()
    add_witness(home, "file", str(tmp_path / "witness"), "", required=False)
    async with installation(nats_server) as running:
        await filled(running, 5)
    await stopped(nats_server, killed=False)
    backup = kept(home, tmp_path / "backup")
    await nats_server.server.start()
    async with installation(nats_server) as running:
        written = await running.send(experiment("on-the-first-branch"), CreateExperiment())
        await running.caught_up(written.position)  # so that it is signed at the stop
    await stopped(nats_server, killed=False)
    witnesses = read_witnesses(home)
    put_back(home, backup, "nats", "copy", "views")
    remove_witness(home, "file-1")
    await nats_server.server.start()
    async with installation(nats_server) as running:
        await filled(running, 20)
    await stopped(nats_server, killed=False)
    # when the witness is asked again, then this is another log.
    write_witnesses(home, witnesses)
    assert "is not the one that the witness file-1" in await refused_start(nats_server)


async def test_a_running_monitor_raises_the_alarm_when_a_witness_has_seen_more(
    nats_server: RunningNats, tmp_path: Path
) -> None:
    # Given a monitor, and a witness to which a twin of this home has given a longer log,
    home = Home(nats_server.home)
    home.create()
    add_witness(home, "file", str(tmp_path / "witness"), "", required=False)
    async with installation(nats_server) as running:
        await filled(running, 5)
        ahead = read_log_key(home.keys).sign_head(1000, bytes(32))
        (tmp_path / "witness").write_bytes(ahead)
        # when it signs, then it says why it does not, to the next start too, and leaves what the witness has.
        with pytest.raises(Refused, match="the witness file-1"):
            await checkpoint(running)
        assert "says it had 1000 commits" in read_alarm(home.copy)
        assert (tmp_path / "witness").read_bytes() == ahead


async def test_a_changed_checkpoint_is_refused(nats_server: RunningNats) -> None:
    home = Home(nats_server.home)
    async with installation(nats_server) as running:
        await filled(running, 3)
    await stopped(nats_server, killed=False)
    path = home.copy / "checkpoint"
    note = path.read_bytes()
    path.write_bytes(note.replace(b"\n", b"\n1", 1))
    assert "is not one this log has signed" in await refused_start(nats_server)
    # Without its key, nothing that was signed can be verified, and no other is made in its place.
    path.write_bytes(note)
    (home.keys / "log.key").rename(home.root / "kept")
    await nats_server.server.start()
    with pytest.raises(Refused, match=r"log\.key"):
        await check_all_signed(await nats_server.connect("bootstrap"), home)
    assert not (home.keys / "log.key").exists()


async def test_a_witness_that_is_away_stops_nothing_unless_it_is_required(
    nats_server: RunningNats, tmp_path: Path
) -> None:
    home = Home(nats_server.home)
    home.create()
    (tmp_path / "disk").mkdir()
    add_witness(home, "file", str(tmp_path / "disk" / "witness"), "", required=False)
    async with installation(nats_server) as running:
        await filled(running, 3)
        await checkpoint(running)
        # Given a witness whose disk is gone,
        shutil.rmtree(tmp_path / "disk")
        await running.send(experiment("more"), CreateExperiment())
        (state,) = (await checkpoint(running)).witnesses
        assert "has lost the checkpoint it had" in state.why
    await stopped(nats_server, killed=False)
    await nats_server.server.start()
    client = await nats_server.connect("bootstrap")
    await check_all_signed(client, home)
    # when it is required, then nothing starts without it.
    write_witnesses(home, [Witness(one.name, one.kind, one.target, True, True) for one in read_witnesses(home)])
    with pytest.raises(LogDamaged, match=r"has lost the checkpoint it had\. It is required"):
        await check_all_signed(client, home)


async def test_a_witness_that_was_away_gets_the_checkpoint_at_the_next_start(
    nats_server: RunningNats, tmp_path: Path
) -> None:
    # Given a witness that was added while nothing ran, or was away at the stop,
    home = Home(nats_server.home)
    async with installation(nats_server) as running:
        await filled(running, 3)
    signed = (home.copy / "checkpoint").read_bytes()
    witness = add_witness(home, "file", str(tmp_path / "witness"), "", required=False)
    # when a monitor starts and nothing new happens, then it is given what was signed.
    async with installation(nats_server, writers=False) as running:
        while not (await checkpoint(running, sign=False)).witnesses:
            pass
        assert held(home, witness) == signed


async def test_a_new_series_begins_where_the_old_one_was_given_up(nats_server: RunningNats, tmp_path: Path) -> None:
    # Given a log that was set back and whose lost commits are accepted,
    home = Home(nats_server.home)
    async with installation(nats_server) as running:
        await filled(running, 5)
    old = key_of(home)
    await stopped(nats_server, killed=False)
    moved = set_series_aside(home)
    assert sorted(path.name for path in moved) == ["checkpoint.old-1", "log.key.old-1"]
    # when it starts, then it signs under another name and key.
    await nats_server.server.start()
    async with installation(nats_server) as running:
        new = parse_verifier_key((await checkpoint(running)).key)
    assert new.name != old.name and new.public != old.public


@pytest.mark.parametrize("target", ["-x", "ext::sh -c true", "", "--upload-pack=true"])
def test_a_repository_that_would_run_something_is_refused(tmp_path: Path, target: str) -> None:
    home = Home(tmp_path)
    home.create()
    with pytest.raises(Refused, match=r"witness\.target"):
        add_witness(home, "git", target, "", required=False)


def test_witnesses_added_at_once_are_all_remembered(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()
    with ThreadPoolExecutor(8) as threads:
        added = list(
            threads.map(lambda n: add_witness(home, "file", f"{tmp_path}/{n}", f"w{n}", required=False), range(8))
        )
    assert sorted(read_witnesses(home), key=lambda one: one.name) == added


def test_a_witness_is_one_file_or_repository_under_one_name(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()
    with pytest.raises(Refused, match="must be a file in a folder that exists"):
        add_witness(home, "file", str(tmp_path / "no" / "witness"), "", required=False)
    add_witness(home, "file", str(tmp_path / "a"), "one", required=False)
    with pytest.raises(Refused, match="there is a witness 'one'"):
        add_witness(home, "file", str(tmp_path / "b"), "one", required=False)
    with pytest.raises(Refused, match="is a witness already"):
        add_witness(home, "file", str(tmp_path / "a"), "two", required=False)
    (tmp_path / "link").symlink_to(tmp_path)
    for again in (tmp_path / "x" / ".." / "a", tmp_path / "link" / "a"):
        (tmp_path / "x").mkdir(exist_ok=True)
        with pytest.raises(Refused, match=r"witness\.exists"):
            add_witness(home, "file", str(again), "two", required=False)
    with pytest.raises(Refused, match="lies in the home itself"):
        add_witness(home, "file", str(home.root / "witness"), "two", required=False)
    for url in ("https://TOKEN@example.com/a.git", "https://me:pw@example.com/a.git", "ssh://me:pw@example.com/a"):
        with pytest.raises(Refused, match="password or a token") as refused:
            add_witness(home, "git", url, "two", required=False)
        assert "pw" not in refused.value.detail and "TOKEN" not in refused.value.detail
    for url in ("git@example.com:a/b.git", "ssh://git@example.com/a", "https://example.com/a@b.git"):
        assert GitWitness.checked(url) == url
    with pytest.raises(WitnessUnreachable, match="does not answer"):
        held(home, Witness("gone", "git", str(tmp_path / "absent.git")))
    with pytest.raises(Refused, match=r"witness\.absent"):
        remove_witness(home, "two")
