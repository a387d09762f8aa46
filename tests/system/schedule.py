"""A schedule is a function of its seed: some jobs, and some faults at moments counted in log positions."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from random import Random

from tests.system.bad_server import dripping
from tests.system.checks import Violations, judge, judge_processes
from tests.system.faults import SERVER, SPAWNERS, Fault, inject
from tests.system.installation import LEASE_SECONDS, Installation
from tests.system.rude import ENTRIES, REQUESTS, unreported
from tests.system.work import COMMANDS, Work, work

from treering.domain.job import TERMINAL

SERVICES = ("nats", "registry", "gateway", "scheduler", "monitor", "n1", "n2")
JOBS = (5, 7)
FAULTS = (3, 6)
RUDE = (1, 2)
POSITIONS_MAX = 22
PAUSE_LEASES = (0.2, 1.5)
# A command whose registry is killed or stopped is said again after 10 s. A job may meet that twice, at its assignment
# and at its end; a lost node adds its lease (1.8 s), a killed service its start. What takes longer was forgotten.
CONVERGE_SECONDS_MAX = 30.0
READY_KINDS = ("beats", "cancelled", "daemon", "drips")  # in every schedule; the others as the seed says


@dataclass(frozen=True)
class Schedule:
    seed: int
    works: list[Work]
    faults: list[Fault]

    def __str__(self) -> str:
        return f"seed {self.seed}: {len(self.works)} jobs; " + "; ".join(str(fault) for fault in self.faults)


def schedule_of(seed: int) -> Schedule:
    random = Random(seed)
    kinds = [*READY_KINDS, *random.choices(sorted(COMMANDS), k=random.randint(*JOBS) - len(READY_KINDS))]
    works = [work(random, f"s{seed}-{number}-{kind}", kind) for number, kind in enumerate(kinds)]
    faults = [fault(random) for _ in range(random.randint(*FAULTS))]
    faults += rude_faults(seed)
    return Schedule(seed, works, sorted(faults, key=lambda fault: fault.after))


def with_full_disk(schedule: Schedule) -> Schedule:
    """The same, and the disk of the home is full for a while, among the other faults."""
    random = Random(schedule.seed)
    full = Fault("fill", "disk", random.randint(0, POSITIONS_MAX), LEASE_SECONDS * random.uniform(*PAUSE_LEASES))
    return replace(schedule, faults=sorted([*schedule.faults, full], key=lambda fault: fault.after))


def fault(random: Random) -> Fault:
    after = random.randint(0, POSITIONS_MAX)
    match random.choices(["kill", "pause", "vanish"], weights=[5, 5, 2])[0]:
        case "kill":
            return Fault("kill", random.choice([*SERVICES, SERVER, *SPAWNERS]), after)
        case "pause":
            seconds = LEASE_SECONDS * random.uniform(*PAUSE_LEASES)
            return Fault("pause", random.choice([*SERVICES, SERVER]), after, seconds)
        case _:
            return Fault("vanish", "client", after, share=random.choice([0.3, 0.7, 0.95, 1.0]))


def rude_faults(seed: int) -> list[Fault]:
    """By a draw of their own, so that the other faults of a seed stay what they were before there were these."""
    random = Random(f"rude {seed}")
    return [rude_fault(random, f"s{seed}-poison-{number}") for number in range(random.randint(*RUDE))]


def rude_fault(random: Random, name: str) -> Fault:
    after = random.randint(0, POSITIONS_MAX)
    match random.choices(["crowd", "poison request", "poison entry"], weights=[2, 2, 1])[0]:
        case "crowd":
            seconds = LEASE_SECONDS * random.uniform(*PAUSE_LEASES)
            return Fault("crowd", random.choice(["gateway", SERVER]), after, seconds)
        case "poison request":
            return Fault("poison request", random.choice(sorted(REQUESTS)), after, name=name)
        case _:
            return Fault("poison entry", random.choice(sorted(ENTRIES)), after, name=name)


async def run(installation: Installation, schedule: Schedule) -> Violations:
    """Carry the schedule out, wait until all is quiet, and judge everything since the installation began."""
    async with dripping() as drips:
        return await run_beside(installation, schedule, drips.url)


async def run_beside(installation: Installation, schedule: Schedule, drips_url: str) -> Violations:
    begin = installation.history.head
    faults = asyncio.gather(*(carry_out(installation, schedule, fault, begin, drips_url) for fault in schedule.faults))
    clients = asyncio.gather(*(submit(installation, each, drips_url) for each in schedule.works))
    found, _, _ = await asyncio.gather(faults, clients, repeat(installation, schedule.works[0].name))
    violations: Violations = [violation for answer in found for violation in answer]
    names = [each.name for each in schedule.works]
    history = installation.history
    if not await history.until(lambda: history.all_terminal(names), CONVERGE_SECONDS_MAX):
        open_jobs = {name: history.status(name) for name in names if history.status(name) not in TERMINAL}
        violations.append(f"I4: not terminal {CONVERGE_SECONDS_MAX:g} s after the last fault: {open_jobs}")
    await history.until(lambda: not unreported(installation), CONVERGE_SECONDS_MAX)
    violations += unreported(installation)
    violations += await judge_processes(installation)
    await installation.until_ready()
    if not await installation.caught_up():
        violations.append("I1: the log does not send what its head says it has")
    return violations + judge(installation)


async def carry_out(
    installation: Installation, schedule: Schedule, fault: Fault, begin: int, drips_url: str
) -> Violations:
    if fault.kind != "vanish":
        return await inject(installation, fault, begin)
    history = installation.history
    await history.until(lambda: history.head >= begin + fault.after, 1.0)
    ghost = schedule.works[-1]
    # The same job, key and content as the patient client's: whoever is first, there is one job.
    spec = ghost.spec(installation.marks, drips_url)
    await asyncio.to_thread(installation.gateway.vanish, ghost.name, spec, f"submit-{ghost.name}", fault.share)
    return []


async def submit(installation: Installation, each: Work, drips_url: str) -> None:
    """Submit, and cancel where the work says so, as patient clients do."""
    await installation.gateway.submit(each.name, each.spec(installation.marks, drips_url))
    if not each.cancel_at:
        return
    history = installation.history
    stop_at = {*each.cancel_at, *TERMINAL}
    await history.until(lambda: history.status(each.name) in stop_at, CONVERGE_SECONDS_MAX)
    await installation.gateway.cancel(each.name)


async def repeat(installation: Installation, job: str) -> None:
    """A client that says an old command again after a newer one: the old one must not happen twice."""
    history = installation.history
    await history.until(lambda: history.status(job) != "Absent", CONVERGE_SECONDS_MAX)
    await installation.gateway.update(job, {"wish": "first"}, f"first-{job}")
    await installation.gateway.update(job, {"wish": "second"}, f"second-{job}")
    await installation.gateway.update(job, {"wish": "first"}, f"first-{job}")
