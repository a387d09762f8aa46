"""Keep the second copy and the views, watch that the log stays what it was, answer questions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import structlog
from nats.aio.client import Client

from treering.adapters.alerts import Alerts
from treering.adapters.askers import Askers
from treering.adapters.bus import Commands, Responder, answered
from treering.adapters.jetstream_log import JetStreamLog
from treering.adapters.log_check import check_against, check_with_copy, clear_alarm, read_alarm, write_alarm
from treering.adapters.log_scrub import scrub
from treering.adapters.log_verify import verify
from treering.config import Home
from treering.domain.installation import INSTALLATION
from treering.kernel.decoding import decode
from treering.kernel.disk import CannotWrite
from treering.kernel.ending import beside
from treering.kernel.feed import Feed
from treering.kernel.log import LogDamaged, LogUnavailable
from treering.kernel.projector import Projector
from treering.kernel.refusal import Refused
from treering.views import queries
from treering.views.lifecycle import states_in
from treering_services.alerting import Raised, incomplete_in, report_incomplete
from treering_services.base import ServiceBase
from treering_services.monitor.ask_questions import ASK_QUESTIONS
from treering_services.monitor.audit_questions import AUDIT_QUESTIONS
from treering_services.monitor.history_questions import HISTORY_QUESTIONS
from treering_services.monitor.lifecycle_questions import LIFECYCLE_QUESTIONS
from treering_services.monitor.notary import Notary
from treering_services.monitor.points_keeper import PointsKeeper, points_keeper
from treering_services.monitor.proof_questions import PROOF_QUESTIONS
from treering_services.monitor.sql_questions import SQL_QUESTIONS
from treering_services.monitor.stores import Stores, opened_stores

WATCH_SECONDS = 15.0
GATHER_SECONDS = 0.1  # Who reads may name a position, and ends it.
LAST_SECONDS_MAX = 1.0
# A file a group of questions; those about the log itself are the monitor's own methods.
QUESTIONS = {
    **AUDIT_QUESTIONS, **ASK_QUESTIONS, **SQL_QUESTIONS, **HISTORY_QUESTIONS, **LIFECYCLE_QUESTIONS, **PROOF_QUESTIONS,
}  # fmt: skip
T = TypeVar("T")
log = structlog.get_logger()


@dataclass
class Monitor:
    """One handler for all questions. ``alarm`` is what was found wrong, also by an earlier run; "" is well."""

    home: Home
    client: Client
    stores: Stores
    projector: Projector
    notary: Notary
    keeper: PointsKeeper
    alarm: str = ""
    verified_until: int = 0

    async def handle(self, subject: str, body: bytes) -> bytes:
        try:
            return await self.answer(subject.removeprefix("qry."), body)
        except LogDamaged as damage:
            raise Refused("log.damaged", str(damage)) from None

    async def answer(self, name: str, body: bytes) -> bytes:
        answer: dict[str, Callable[[bytes], Awaitable[Any]]] = {"verify": self.verify, "status": self.status}
        if name in answer:
            return answered(await answer[name](body))
        if name in QUESTIONS:
            question = QUESTIONS[name]
            return self.said(await question.answer(self, decode(body, question.query, code="query.malformed")))
        there_are = ", ".join(sorted((*answer, *QUESTIONS)))
        raise Refused("query.unknown", f"there is no question {name[:40]!r}; there are {there_are}")

    def said(self, answer: Any) -> bytes:
        """The answer; with a last field ``incomplete`` when views leave out so many resources, as it may lack some."""
        body = answered(answer)
        if not self.stores.incomplete or not body.endswith(b"}") or len(body) == len(b"{}"):
            return body
        return body[:-1] + b',"incomplete":%d}' % self.stores.incomplete

    async def verify(self, body: bytes) -> queries.VerifyAnswer:
        decode(body, queries.VerifyQuery, code="query.malformed")
        await self.keeper.caught_up()
        found = await verify(self.client, self.stores.copy, self.home, self.keeper.copy, follows=True)
        if found.ok:
            self.alarm = ""
        else:
            self.raise_alarm(found.why)
        return found

    async def status(self, body: bytes) -> queries.StatusAnswer:
        decode(body, queries.StatusQuery, code="query.malformed")
        end = await self.head()
        stores = {name: queries.StoreStatus(seen, max(end - seen, 0)) for name, seen in self.stores.positions.items()}
        copy = stores.pop(self.stores.copy.name)
        why = self.alarm or await self.missing()
        return queries.StatusAnswer(
            not why,
            why,
            stores,
            copy,
            self.verified_until,
            self.stores.copy.tree.root().hex(),
            self.notary.head.size,
            await incomplete_in(*self.stores.views),
        )

    async def head(self) -> int:
        """The position of the log's last commit."""
        return await JetStreamLog(self.client).head()

    def raise_alarm(self, why: str) -> None:
        log.error("log.damaged", why=why)
        self.alarm = why
        with suppress(OSError):  # What is wrong must be said, also where it cannot be remembered.
            write_alarm(self.home.copy, why)

    def moved(self, position: int) -> None:
        self.verified_until = position

    async def scrub_once(self) -> None:
        """Compare the whole log with the copy, once a start; raises LogDamaged after raising the alarm."""
        while True:
            try:
                done = await self.alarmed(scrub(self.client, self.stores.copy, moved=self.moved))
                points = await self.alarmed(scrub(self.client, self.keeper.copy))
                break
            except LogUnavailable as error:
                log.warning("log.unavailable", why=str(error))
                await asyncio.sleep(WATCH_SECONDS)
        self.verified_until = done.positions
        self.alarm = ""
        clear_alarm(self.home.copy)
        log.info(
            "log.verified",
            positions=done.positions,
            points=points.positions,
            commits_per_second=round(done.commits_per_second),
        )

    async def watch(self) -> None:
        """A server that lost part of the log while we run goes on as if nothing were: ask again and again."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                await self.alarmed(self.require_copies())
                await self.alarmed(check_against(self.client, await self.stores.copy.checkpoint(), "the second copy"))
                await self.alarmed(self.keeper.watch_once())
            except LogUnavailable as error:
                log.warning("log.unavailable", why=str(error))

    async def require_copies(self) -> None:
        for copy in (self.stores.copy, self.keeper.copy):
            copy.require_there()

    async def missing(self) -> str:
        """Why a second copy cannot be relied on any more, although nothing was found wrong with what is in it."""
        try:
            await self.require_copies()
        except LogDamaged as damage:
            return str(damage)
        return ""

    async def alarmed(self, work: Awaitable[T]) -> T:
        try:
            return await work
        except LogDamaged as damage:
            self.raise_alarm(str(damage))
            raise


async def to_the_end(projector: Projector, head: Callable[[], Awaitable[int]]) -> None:
    """Project until cancelled, and then what the stream holds already, for LAST_SECONDS_MAX at most: the copies of an
    installation that was stopped in order lack nothing."""
    async with beside(projector.run()) as running:
        try:
            await asyncio.wait({running})
        except asyncio.CancelledError:
            with suppress(TimeoutError, Refused, LogUnavailable):
                async with asyncio.timeout(LAST_SECONDS_MAX):
                    await projector.reached(await head())
            raise
        running.result()


async def run(base: ServiceBase, started: Callable[[], None], feed: Feed | None = None) -> None:
    """The monitor as a service: ready when it answers; the views may still be catching up then. ``feed`` is what
    brings the log to the others in its process, if there are any."""
    async with (
        base.connected("monitor") as client,
        opened_stores(base.home) as stores,
        points_keeper(base.home, client, stores.copy) as keeper,
    ):
        projector = Projector(JetStreamLog(client), stores, gather_seconds=GATHER_SECONDS, feed=feed)
        notary = Notary(base.home, stores.copy, projector)
        monitor = Monitor(base.home, client, stores, projector, notary, keeper, alarm=read_alarm(base.home.copy))
        await stores.checkpoint()
        await monitor.alarmed(check_with_copy(client, stores.copy))
        await monitor.alarmed(keeper.check())
        await notary.open(client)  # What it finds, it finds again at every start: no need to remember it.
        await Responder(client, "qry.*", monitor.handle, askers=Askers()).start()
        alerts = Alerts(Commands(client, "monitor", base.here))
        try:
            await base.work(
                started,
                monitor.alarmed(to_the_end(projector, monitor.head)),
                index_when_caught_up(projector, stores, await monitor.head()),
                monitor.scrub_once(),
                monitor.watch(),
                monitor.alarmed(notary.run()),
                monitor.alarmed(to_the_end(keeper.projector, keeper.head)),
                monitor.alarmed(keeper.run()),
                stores.search.run(),
                *(report_incomplete(view, alerts, partial(raised_in_lifecycle, stores)) for view in stores.views),
            )
        finally:
            if not monitor.alarm:
                with suppress(CannotWrite, OSError):  # The next start signs what a full disk left unsigned.
                    await monitor.alarmed(notary.publish())


async def raised_in_lifecycle(stores: Stores) -> Raised:
    """The alerts that are raised, as this service's own view says."""
    return await stores.lifecycle.when_sound(lambda db: states_in(db, INSTALLATION.kind, "raised"))


async def index_when_caught_up(projector: Projector, stores: Stores, head: int) -> None:
    while projector.position < head:
        await projector.moved.wait()
    await stores.make_indices()
