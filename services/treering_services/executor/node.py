"""Join the cluster, renew the lease, take attempts from the log. A lease that ends kills what it covered."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from nats.aio.client import Client

from treering.adapters.blobs import LocalBlobs
from treering.adapters.bus import Commands, ask
from treering.adapters.confined_uv import uv_in
from treering.adapters.egress import Egress
from treering.adapters.environments import Environments
from treering.adapters.jetstream_log import JetStreamLog
from treering.adapters.known_secrets import environment_secrets, installation_secrets
from treering.adapters.launcher import Launcher
from treering.adapters.masking import Masker
from treering.adapters.package_indexes import listed_indexes
from treering.adapters.sandbox.closed_ports import report
from treering.adapters.sandbox.shown_paths import ShownPath
from treering.adapters.scrubbing import knowing
from treering.adapters.sealed_values import secret_values
from treering.adapters.tokens import mint_job_token
from treering.config import Home
from treering.domain.job import HELD, JOB, Job
from treering.domain.job_messages import JobAssigned, JobCancelRequested, JobLost
from treering.domain.node import JoinNode, LeaveNode
from treering.kernel.clock import monotonic_seconds, new_id, now
from treering.kernel.command import Context
from treering.kernel.decoding import decode
from treering.kernel.ending import end
from treering.kernel.file_names import file_name
from treering.kernel.lease import Renew, Renewed
from treering.kernel.log import Commit, Entry, LogFull, LogUnavailable, encoder
from treering.kernel.progress import PROGRESSES_MAX
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address, address_of
from treering_services.base import ServiceBase
from treering_services.executor.attempt import Attempt
from treering_services.executor.known_jobs import KnownJobs
from treering_services.executor.room import room_of
from treering_services.executor.runner import Runner
from treering_services.executor.stepping import deadlines
from treering_services.executor.workplace import remove_all

RETRY_SECONDS = 0.3
log = structlog.get_logger()


@dataclass(frozen=True)
class NodeSettings:
    """Which node this executor is: its name, the compute it offers, and how many commands at a time."""

    name: str
    compute: str = "local"
    workspace: str = "main"
    slots: int = 1
    allowed: tuple[str, ...] = ()  # addresses of inputs that are let through although not public
    sandbox: str = "auto"  # a name of ``sandbox.choose``
    shown: tuple[ShownPath, ...] = ()


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
        self.masker = Masker(installation_secrets(base.home) | environment_secrets(os.environ))
        self.incarnation = ""
        self.position = 0
        self.lease_ends_seconds = 0.0
        self.runner = Runner(
            settings.name,
            self.commands,
            launcher,
            Environments(base.home.environments, uv_in(launcher, [base.home.root]), listed_indexes(os.environ)),
            LocalBlobs(base.home.blobs),
            asyncio.Semaphore(settings.slots),
            base.home.shims,
            base.home.nats,
            lambda: read_url(base.home),
            lambda attempt: mint_job_token(base.home, attempt.job, attempt.number),
            egress=Egress(settings.allowed),
            deadline_seconds=deadlines(),
            room=lambda attempt: room_of(attempt, base.home, base.home.shims, settings.shown, read_url(base.home)),
            secrets=lambda attempt: secret_values(base.home, attempt.job, attempt.spec.sealed),
        )

    async def join(self, full: Callable[[], None] = lambda: None) -> None:
        """Kill what an earlier life left, then join as a new incarnation: in this order.

        ``full`` hears that the log has no room for it: it joins when there is some.
        """
        self.fence_all()
        await self.finish_tasks()
        await self.launcher.sweep_all()
        await self.runner.leftovers.close()
        await asyncio.to_thread(remove_all, self.base.home.runs(self.settings.name))
        self.incarnation = new_id()
        node = self.settings
        how = (self.launcher.mode, self.launcher.sandbox.name, report(self.launcher.still_open))
        command = JoinNode(self.incarnation, node.compute, node.slots, *how)
        waiting = False
        while True:
            asked_at_seconds = monotonic_seconds()
            try:
                context = Context(f"join:{self.incarnation}", now(), f"node:{self.settings.name}")
                self.position = (await self.commands.send(self.address, command, context)).position
                break
            except LogUnavailable as error:
                if isinstance(error, LogFull):
                    full()
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
            try:
                done, _ = await asyncio.wait({following, renewing}, return_when=asyncio.FIRST_COMPLETED)
            finally:  # also when we are stopped: a node that leaves must take no more attempts
                await end(following, renewing)
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
        node, reported = self.settings, self.runner.reporter.position
        progress = tuple(found for attempt in self.attempts.values() if (found := attempt.progress()) is not None)
        body = Renew(
            node.workspace, node.name, self.incarnation, self.position, held, reported, progress[:PROGRESSES_MAX]
        )
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
                await self.notice_surely(entry)
            self.position = entries[-1].position

    async def notice_surely(self, entry: Entry) -> None:
        """An entry that cannot be read is one of a job that nobody can go on with: this node goes on with the others.
        The scheduler leaves the job out, so its lease ends here too."""
        try:
            await self.notice(entry)
        except (LogUnavailable, Refused):
            raise
        except Exception as error:
            log.error("job.incomplete", subject=entry.subject, position=entry.position, why=str(error))

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
        folder = self.base.home.runs(self.settings.name) / folder_name(address, job.attempt)
        masker = Masker(base=self.masker)
        attempt = Attempt(address, job.attempt, job.spec, folder, commit.id, commit.trace, masker=masker)
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
            with knowing(attempt.masker):
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


def folder_name(job: Address, attempt: int) -> str:
    """Of an attempt, among those of all workspaces: job c of a.b is another one than job b.c of a."""
    return f"{file_name(f'{job.workspace}~{job.key}')}.{attempt}"
