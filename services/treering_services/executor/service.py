"""Join the cluster, renew the lease, take attempts from the log. A lease that ends kills what it covered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import structlog
from nats.aio.client import Client

from treering.adapters.blobs import LocalBlobs
from treering.adapters.bus import Commands, ask
from treering.adapters.environments import Environments
from treering.adapters.file_lock import file_lock
from treering.adapters.jetstream_log import JetStreamLog
from treering.adapters.launcher import Launcher
from treering.adapters.pip_shim import make_shims
from treering.adapters.tokens import mint_job_token
from treering.config import Home
from treering.domain.job import HELD, JOB, Job
from treering.domain.job_messages import JobAssigned, JobCancelRequested, JobLost
from treering.domain.node import JoinNode, LeaveNode
from treering.kernel.clock import monotonic_seconds, new_id, now
from treering.kernel.command import Context
from treering.kernel.decoding import decode
from treering.kernel.lease import Renew, Renewed
from treering.kernel.log import Commit, Entry, LogUnavailable, encoder
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address, address_of
from treering_services.base import ServiceBase
from treering_services.executor.attempt import Attempt
from treering_services.executor.known_jobs import KnownJobs
from treering_services.executor.runner import Runner
from treering_services.executor.workplace import remove_all

RETRY_SECONDS = 0.3
TAKEN_SECONDS = 5.0
log = structlog.get_logger()


@dataclass(frozen=True)
class NodeSettings:
    """Which node this executor is: its name, the compute it offers, and how many commands at a time."""

    name: str
    compute: str = "local"
    workspace: str = "main"
    slots: int = 1


class Executor:
    """One node. ``incarnation`` changes with every joining; attempts of an earlier one are fenced."""

    def __init__(self, base: ServiceBase, client: Client, launcher: Launcher, settings: NodeSettings) -> None:
        self.base = base
        self.client = client
        self.launcher = launcher
        self.settings = settings
        self.address = Address(settings.workspace, "node", settings.name)
        self.log = JetStreamLog(client)
        self.commands = Commands(client, "executor")
        self.attempts: dict[tuple[Address, int], Attempt] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.known = KnownJobs()
        self.incarnation = ""
        self.position = 0
        self.lease_ends_seconds = 0.0
        self.runner = Runner(
            settings.name,
            self.commands,
            launcher,
            Environments(base.home.environments),
            LocalBlobs(base.home.blobs),
            asyncio.Semaphore(settings.slots),
            base.home.shims,
            base.home.nats,
            lambda: read_url(base.home),
            lambda attempt: mint_job_token(base.home, attempt.job, attempt.number),
        )

    async def join(self) -> None:
        """Kill what an earlier life left, then join as a new incarnation: in this order."""
        self.fence_all()
        await self.finish_tasks()
        await self.launcher.sweep_all()
        await self.runner.leftovers.close()
        await asyncio.to_thread(remove_all, self.base.home.runs(self.settings.name))
        self.incarnation = new_id()
        command = JoinNode(self.incarnation, self.settings.compute, self.settings.slots, self.launcher.mode)
        waiting = False
        while True:
            asked_at_seconds = monotonic_seconds()
            try:
                context = Context(f"join:{self.incarnation}", now(), f"node:{self.settings.name}")
                self.position = (await self.commands.send(self.address, command, context)).position
                break
            except LogUnavailable as error:
                if not waiting:
                    log.info("node.waiting", why=str(error))
                waiting = True
                await asyncio.sleep(RETRY_SECONDS)
        self.hold_lease_until(asked_at_seconds + self.base.timing.lease_seconds)
        log.info("node.joined", node=self.settings.name, incarnation=self.incarnation, slots=self.settings.slots)

    async def live(self) -> None:
        """Follow the log under one incarnation after another."""
        while True:
            following = asyncio.create_task(self.follow())
            renewing = asyncio.create_task(self.keep_lease())
            done, _ = await asyncio.wait({following, renewing}, return_when=asyncio.FIRST_COMPLETED)
            for task in (following, renewing):
                task.cancel()
            await asyncio.wait({following, renewing})
            for task in done:
                task.result()
            await self.join()

    async def keep_lease(self) -> None:
        """Renew until fenced, or until the lease is nearly over without an answer: then kill everything."""
        while (left_seconds := self.left_seconds()) > 0:
            if await self.renew(left_seconds):
                return
            await asyncio.sleep(max(0.0, min(self.base.timing.renew_seconds, self.left_seconds())))
        log.warning("lease.ended", node=self.settings.name, attempts=len(self.attempts))

    def left_seconds(self) -> float:
        """How long until everything must be killed."""
        return self.lease_ends_seconds - self.base.timing.margin_seconds - monotonic_seconds()

    async def renew(self, left_seconds: float) -> bool:
        """One renewal, answered before the time is up or not at all; True when this incarnation is over."""
        held = tuple((attempt.job.key, attempt.number) for attempt in self.attempts.values())
        node, reported = self.settings, self.runner.reported
        body = Renew(node.workspace, node.name, self.incarnation, self.position, held, reported)
        asked_at_seconds = monotonic_seconds()
        try:
            timeout_seconds = min(self.base.timing.renew_seconds, left_seconds)
            reply = await ask(self.client, "lease.renew", encoder.encode(body), timeout_seconds=timeout_seconds)
            renewed = decode(reply, Renewed)
        except (LogUnavailable, Refused) as error:
            log.debug("lease.not_renewed", why=str(error))
            return False
        if renewed.fenced:
            log.warning("lease.fenced", node=self.settings.name)
            return True
        self.hold_lease_until(asked_at_seconds + renewed.lease_seconds)
        for job, number in renewed.stale:
            log.warning("attempt.stale", job=job, attempt=number)
            self.fence(Address(self.settings.workspace, "job", job), number)
        return False

    def hold_lease_until(self, seconds: float) -> None:
        """Also for the spawner: the answer may be old when we read it, so it counts from the question on."""
        self.lease_ends_seconds = seconds
        self.launcher.keep_alive(max(0.0, self.left_seconds()))

    async def follow(self) -> None:
        async for entries in self.log.follow(after=self.position, subject=f"evt.{self.settings.workspace}.job.*"):
            for entry in entries:
                await self.notice(entry)
            self.position = entries[-1].position

    async def notice(self, entry: Entry) -> None:
        """What an entry of some job means for this node: often nothing."""
        address, commit = address_of(entry.subject), entry.commit()
        events = JOB.events.decode(commit.events)
        known = self.known.fold(address, commit.version, events, len(entry.body))
        if any(isinstance(event, JobAssigned) and event.incarnation == self.incarnation for event in events):
            await self.take(address, commit, known)
        for number in [number for job, number in self.attempts if job == address]:
            if any(isinstance(event, JobCancelRequested) for event in events):
                self.attempts[(address, number)].cancel_requested.set()
            if any(isinstance(event, JobLost) for event in events):
                self.fence(address, number)

    async def take(self, address: Address, commit: Commit, known: Job | None) -> None:
        """Begin the attempt that ``commit`` assigns. What comes behind it in the log is noticed in its turn."""
        job = known or await self.read(address)
        key = (address, job.attempt)
        if job.spec is None or job.status not in HELD or job.incarnation != self.incarnation or key in self.attempts:
            return
        folder = self.base.home.runs(self.settings.name) / f"{address.workspace}.{address.key}.{job.attempt}"
        attempt = Attempt(address, job.attempt, job.spec, folder, commit.id, commit.trace)
        if job.status == "CancelRequested":
            attempt.cancel_requested.set()
        self.attempts[key] = attempt
        task = asyncio.create_task(self.carry_out(attempt))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def read(self, address: Address) -> Job:
        """The job up to now, from the log, as soon as it answers."""
        while True:
            try:
                past = await self.log.read(address.subject)
            except LogUnavailable:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            return JOB.fold([event for entry in past for event in JOB.events.decode(entry.commit().events)])

    async def carry_out(self, attempt: Attempt) -> None:
        try:
            await self.runner.carry_out(attempt)
        finally:
            self.attempts.pop((attempt.job, attempt.number), None)

    def fence(self, job: Address, number: int) -> None:
        if attempt := self.attempts.get((job, number)):
            attempt.fenced.set()

    def fence_all(self) -> None:
        for attempt in self.attempts.values():
            attempt.fenced.set()

    async def finish_tasks(self) -> None:
        if self.tasks:
            await asyncio.wait(self.tasks)

    async def leave(self) -> None:
        """Stop what runs and say goodbye, so that the jobs can go on elsewhere at once."""
        self.fence_all()
        await self.finish_tasks()
        await self.runner.leftovers.close()
        context = Context(f"leave:{self.incarnation}", now(), f"node:{self.settings.name}")
        try:
            async with asyncio.timeout(2.0):
                await self.commands.send(self.address, LeaveNode(self.incarnation), context)
        except (LogUnavailable, Refused, TimeoutError) as error:
            log.info("node.left_unheard", why=str(error))


def read_url(home: Home) -> str:
    return home.url_file.read_text().strip() if home.url_file.exists() else ""


@asynccontextmanager
async def only_one(home: Home, node: str) -> AsyncIterator[None]:
    """One executor a node and home. Two would sweep each other's jobs away, and report them as failed.

    Raises ``Refused("node.taken")`` when another holds the node for longer than a dying one takes to be gone.
    """
    home.runs(node).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(file_lock(home.runs(node).with_name(f".{node}.lock"), TAKEN_SECONDS))
        except Refused:
            message = f"another process runs node {node!r} of {home.root}; stop it, or give this one another --node"
            raise Refused("node.taken", message) from None
        yield


async def run(base: ServiceBase, started: Callable[[], None], settings: NodeSettings) -> None:
    """The executor as a service: ready when its node has joined."""
    async with only_one(base.home, settings.name), base.connected("executor") as client:
        await asyncio.to_thread(make_shims, base.home.shims)
        launcher = Launcher(settings.name, home=base.home.root)
        await launcher.start()
        executor = Executor(base, client, launcher, settings)
        try:
            await executor.join()
            await base.work(started, executor.live())
        finally:
            await executor.leave()
            await launcher.close()
