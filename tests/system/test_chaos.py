"""Seeded schedules of jobs and faults against real processes; what must always hold is judged after each.

TREERING_CHAOS_SEED=17 replays one schedule; TREERING_CHAOS_SCHEDULES=200 runs more of them.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from pathlib import Path

import pytest
from tests.system.installation import Installation, Settings, running
from tests.system.schedule import Schedule, run, schedule_of, with_full_disk
from tests.system.small_disk import small_disk
from tests.system.views import judge_views

pytestmark = pytest.mark.anyio

SCHEDULES = int(os.environ.get("TREERING_CHAOS_SCHEDULES", "40"))
SOAK_FROM, SOAK_SCHEDULES, SOAK_FULL = 1000, 300, 40
LANES = 2
VIEWS_EVERY = 5
ONE_SEED = os.environ.get("TREERING_CHAOS_SEED")


async def test_no_schedule_of_faults_breaks_what_must_always_hold(tmp_path: Path) -> None:
    await run_all(tmp_path, [int(ONE_SEED)] if ONE_SEED else list(range(1, SCHEDULES + 1)))


@pytest.mark.soak
async def test_no_long_row_of_schedules_breaks_what_must_always_hold(tmp_path: Path) -> None:
    await run_all(tmp_path, list(range(SOAK_FROM, SOAK_FROM + SOAK_SCHEDULES)))


async def test_no_schedule_with_a_filling_disk_breaks_what_must_always_hold(tmp_path: Path) -> None:
    await run_on_small_disk(tmp_path, [1, 2])


@pytest.mark.soak
async def test_no_long_row_of_filling_disks_breaks_what_must_always_hold(tmp_path: Path) -> None:
    await run_on_small_disk(tmp_path, list(range(SOAK_FROM, SOAK_FROM + SOAK_FULL)))


async def run_on_small_disk(tmp_path: Path, seeds: list[int]) -> None:
    with small_disk(tmp_path / "disk", "96m") as disk:
        async with running(tmp_path / "lane", Settings(), home=disk.folder / "home") as installation:
            installation.disk = disk
            for seed in seeds:
                schedule = with_full_disk(schedule_of(seed))
                violations = await run(installation, schedule)
                assert not violations, report(installation, schedule, violations)


async def run_all(tmp_path: Path, seeds: list[int]) -> None:
    lanes = [seeds[lane::LANES] for lane in range(LANES)]
    done = await asyncio.gather(*(run_lane(tmp_path / f"lane-{n}", lane) for n, lane in enumerate(lanes) if lane))
    faults = Counter(f"{fault.kind} {fault.target}" for lane in done for schedule in lane for fault in schedule.faults)
    print(f"{sum(map(len, done))} schedules, {faults.total()} faults: {dict(faults.most_common())}")


async def run_lane(folder: Path, seeds: list[int]) -> list[Schedule]:
    """One installation lives through all ``seeds``, so a schedule also meets what the earlier ones left."""
    done = []
    async with running(folder, Settings()) as installation:
        for number, seed in enumerate(seeds, start=1):
            schedule = schedule_of(seed)
            violations = await run(installation, schedule)
            if not violations and (number % VIEWS_EVERY == 0 or number == len(seeds)):
                violations = await judge_views(installation)
            assert not violations, report(installation, schedule, violations)
            done.append(schedule)
    return done


def report(installation: Installation, schedule: Schedule, violations: list[str]) -> str:
    """What a person needs to begin with: the seed, the faults, what was violated, what the log says of the jobs that
    are open (of all when none is) and of the nodes, the ends of the services' logs."""
    history, names = installation.history, [each.name for each in schedule.works]
    story = history.story([name for name in names if not history.all_terminal([name])] or names)
    replay = f"TREERING_CHAOS_SEED={schedule.seed}"
    return "\n".join([replay, str(schedule), *violations[:20], *story[:200], installation.log_tails()])
