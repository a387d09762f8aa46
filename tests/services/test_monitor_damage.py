"""Damage to the log or its copy is found at start, named by position, and mended by a restore."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.services.monitor_example import (
    COMMITS,
    all_entries,
    change_copy,
    copy_file,
    event_blocks,
    experiment,
    filled,
    filled_log,
    flip_bit,
    installation,
    stopped,
)

from treering.adapters.checkpoints import set_series_aside
from treering.adapters.jetstream_log import JetStreamLog
from treering.adapters.log_check import deep_check, read_alarm
from treering.adapters.log_copy import BadPosition, CopyDamaged, LogCopy
from treering.adapters.log_epochs import read_lineage
from treering.adapters.log_restore import restore
from treering.adapters.log_verify import verify
from treering.adapters.nats_process import NatsServerError
from treering.adapters.points_copy import PointsCopy
from treering.config import Home
from treering.domain.experiment_messages import CreateExperiment
from treering.kernel.log import LogDamaged
from treering.kernel.service import Service, ServiceFailed
from treering.testing.nats import RunningNats
from treering.views.queries import VerifyAnswer, VerifyQuery
from treering_services.base import ServiceBase
from treering_services.monitor import service as monitor

pytestmark = pytest.mark.anyio


async def first_bad(nats: RunningNats) -> BadPosition:
    """What the check at a start finds."""
    await nats.server.start()
    with pytest.raises(BadPosition) as found:
        await deep_check(await nats.connect("registry"), copy_file(nats))
    return found.value


def damage(path: Path, how: str) -> None:
    if how == "flipped":
        flip_bit(path)
    else:
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size * 2 // 3)


@pytest.mark.parametrize("killed", [False, True], ids=["stopped", "killed"])
@pytest.mark.parametrize("how", ["flipped", "truncated"])
async def test_damage_is_found_at_start_and_restored(nats_server: RunningNats, how: str, killed: bool) -> None:
    # Given a log with its copy, and a damaged file of the store,
    before = await filled_log(nats_server)
    await stopped(nats_server, killed=killed)
    damage(event_blocks(nats_server.server)[0], how)
    # when treering starts, then the first bad position is named, and it is the first: those before it are well.
    bad = await first_bad(nats_server)
    assert 1 < bad.position < len(before) and f"position {bad.position} of the log" in str(bad)
    good = [entry for entry in before if entry.position < bad.position]
    assert await all_entries(nats_server, bad.position - 1) == good
    # When the log is restored,
    await stopped(nats_server, killed=False)
    report = await restore(Home(nats_server.home))
    # then every commit is at its place again, the damaged files are kept, and the next append continues.
    assert [Path(path).name for path in report.moved_to] == ["EVT.damaged-1"]
    assert report.positions == len(before) and list(nats_server.home.rglob("EVT.damaged-1/msgs"))
    await nats_server.server.start()
    assert await all_entries(nats_server, len(before)) == before
    async with installation(nats_server) as running:
        written = await running.send(experiment("after"), CreateExperiment())
        assert written.position == len(before) + 2, "behind the event that an epoch has begun"
        assert (await running.caught_up(written.position)).ok


async def test_a_monitor_does_not_start_on_a_damaged_log(nats_server: RunningNats) -> None:
    await filled_log(nats_server)
    await stopped(nats_server, killed=True)
    flip_bit(event_blocks(nats_server.server)[0])
    await nats_server.server.start()
    base = ServiceBase(Home(nats_server.home), nats_server.urls)
    service = Service("monitor", lambda started: monitor.run(base, started))
    with pytest.raises(ServiceFailed, match=r"monitor stopped: position 2\d\d of the log"):
        await service.start()
        await service.failed()
    assert "of the log" in read_alarm(base.home.copy)


async def test_a_running_monitor_notices_that_the_server_came_back_with_less(
    nats_server: RunningNats, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a monitor at work,
    monkeypatch.setattr(monitor, "WATCH_SECONDS", 0.05)
    async with installation(nats_server) as running:
        await filled(running, COMMITS)
        # when the server dies, loses a part of the log, and is started again,
        process = nats_server.server.process
        assert process is not None
        process.kill()
        await nats_server.server.died()
        flip_bit(event_blocks(nats_server.server)[0])
        await nats_server.server.start()
        # then the monitor ends with one clear line, and the next start of a writer is refused.
        with pytest.raises(ServiceFailed, match=r"monitor stopped: the log ends at position 2\d\d"):
            await running.monitor.failed()
        with pytest.raises(LogDamaged, match="the log ends at position"):
            await deep_check(await nats_server.connect("registry"), copy_file(nats_server))


async def test_an_alarm_keeps_writers_away_until_a_whole_scrub_is_clean(nats_server: RunningNats) -> None:
    # Given a copy of which the monitor once said that the log differs,
    last = len(await filled_log(nats_server, 20))
    (nats_server.home / "copy" / "alarm").write_text("position 7 of the log is not the commit that was stored")
    with pytest.raises(LogDamaged, match=r"position 7.*`treering log verify` looks again"):
        await deep_check(await nats_server.connect("registry"), copy_file(nats_server))
    # when a monitor has compared all of it, then the writers may go on.
    async with installation(nats_server, writers=False) as running:
        while (await running.caught_up(last)).verified_until < last or read_alarm(running.home.copy):
            pass
        await deep_check(await nats_server.connect("registry"), copy_file(nats_server))


async def test_a_log_that_is_well_passes_the_check(nats_server: RunningNats) -> None:
    await filled_log(nats_server, 50)
    await stopped(nats_server, killed=True)
    await nats_server.server.start()
    await deep_check(await nats_server.connect("registry"), copy_file(nats_server))


async def test_only_the_newest_positions_of_a_long_log_are_compared_unless_one_is_bad(
    nats_server: RunningNats, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a "long" log, and a copy with one row changed that is not among the newest,
    monkeypatch.setattr("treering.adapters.log_check.SMALL_POSITIONS", 10)
    await filled_log(nats_server, 50)
    client = await nats_server.connect("registry")
    change_copy(nats_server, 5)
    await deep_check(client, copy_file(nats_server), last=10)
    # when a newer one differs too, then all are compared and the first is named.
    change_copy(nats_server, 45)
    with pytest.raises(CopyDamaged) as found:
        await deep_check(client, copy_file(nats_server), last=10)
    assert found.value.position == 5


async def test_a_changed_copy_is_told_from_a_changed_log_and_nothing_is_restored_from_it(
    nats_server: RunningNats,
) -> None:
    await filled_log(nats_server, 20)
    change_copy(nats_server, 7)
    with pytest.raises(CopyDamaged, match="position 7 of the second copy"):
        await deep_check(await nats_server.connect("registry"), copy_file(nats_server))
    await stopped(nats_server, killed=False)
    with pytest.raises(CopyDamaged, match="position 7 of the second copy"):
        await restore(Home(nats_server.home))
    assert event_blocks(nats_server.server)


async def test_a_copy_that_is_no_database_is_not_thrown_away(nats_server: RunningNats) -> None:
    path = copy_file(nats_server)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(CopyDamaged, match=r"cannot be read.*log recopy` makes .*log\.db again"):
        await LogCopy(path).open()
    assert path.read_bytes() == b"not a database" * 1000


async def test_verify_answers_with_the_first_bad_position(nats_server: RunningNats) -> None:
    async with installation(nats_server) as running:
        await filled(running, 20)
        change_copy(nats_server, 7)
        answer = await running.ask("verify", VerifyQuery(), VerifyAnswer)
        assert (answer.ok, answer.first_bad) == (False, 7)
        assert "position 7 of the second copy" in read_alarm(running.home.copy)


async def test_what_the_log_has_beyond_the_copy_is_saved_first(nats_server: RunningNats) -> None:
    # Given commits that the copy has not seen, because the monitor was down,
    before = await filled_log(nats_server, 20)
    log = JetStreamLog(await nats_server.connect("registry"))
    copy = LogCopy(copy_file(nats_server))
    await copy.open()
    await copy.read(lambda db: db.execute("DELETE FROM commits WHERE position > 15"))
    await copy.close()
    assert await log.head() == len(before)
    # when the log is restored, then they are there,
    await stopped(nats_server, killed=False)
    report = await restore(Home(nats_server.home))
    assert (report.positions, report.salvaged) == (len(before), len(before) - 15)
    # and the views that have seen them are still right.
    assert report.views_forgotten == []
    await nats_server.server.start()
    copy = LogCopy(copy_file(nats_server))
    await copy.open()
    points = PointsCopy(copy_file(nats_server).with_name("points.db"))
    await points.open()
    assert (await verify(await nats_server.connect("monitor"), copy, Home(nats_server.home), points)).ok
    await copy.close()
    await points.close()


async def test_a_view_that_has_seen_more_than_could_be_restored_is_computed_again(nats_server: RunningNats) -> None:
    # Given a store that is lost with the newest commits, of which the copy knew nothing,
    before = await filled_log(nats_server, 20)
    copy = LogCopy(copy_file(nats_server))
    await copy.open()
    await copy.read(lambda db: db.execute("DELETE FROM commits WHERE position > 15"))
    await copy.close()
    await stopped(nats_server, killed=False)
    with event_blocks(nats_server.server)[0].open("r+b") as file:
        file.truncate(100)
    # when the log is restored, then that is refused: what was signed would be gone;
    with pytest.raises(LogDamaged, match=f"the second copy ends at position 15, but .* it had {len(before)} commits"):
        await restore(Home(nats_server.home))
    # when that is accepted, it holds what the copy held, and the views are made again from that.
    set_series_aside(Home(nats_server.home))
    report = await restore(Home(nats_server.home))
    assert report.positions == 15 < len(before)
    assert [Path(path).name for path in report.views_forgotten] == ["audit.db", "lifecycle.db", "states.db"]
    await nats_server.server.start()
    async with installation(nats_server) as running:
        assert (await running.send(experiment("after"), CreateExperiment())).position == 17
    lineage = await read_lineage(JetStreamLog(await nats_server.connect("registry")))
    assert (lineage.current, lineage.common("", 17)) == (report.epoch, 15), "whoever has seen the lost ones is told"


async def test_a_log_is_not_restored_while_treering_runs(nats_server: RunningNats) -> None:
    await filled_log(nats_server, 5)
    with pytest.raises(NatsServerError, match="already runs"):
        await restore(Home(nats_server.home))
