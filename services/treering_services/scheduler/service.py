"""Follow the log, keep the board, send what the plan says; sending twice is harmless, so dying is too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from treering.adapters.bus import Commands, Responder, answered
from treering.domain.node import LoseNode
from treering.kernel.aggregate import Command
from treering.kernel.clock import monotonic_seconds, now
from treering.kernel.command import Context
from treering.kernel.decoding import decode
from treering.kernel.feed import Feed
from treering.kernel.lease import Renew
from treering.kernel.log import LogUnavailable, encoder
from treering.kernel.progress import ProgressQuery
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering_services.base import ServiceBase, StatesReader
from treering_services.scheduler.board import Board, Seen, load_board
from treering_services.scheduler.leases import Leases
from treering_services.scheduler.plan import assignments, forgotten, losses
from treering_services.scheduler.progress import ProgressBoard

ACTOR = "service:scheduler"
SENDING_MAX = 64
RETRY_SECONDS = 0.5
log = structlog.get_logger()


class Scheduler:
    def __init__(self, commands: Commands, feed: Feed, board: Board, leases: Leases) -> None:
        self.feed = feed
        self.commands = commands
        self.board = board
        self.leases = leases
        self.progress = ProgressBoard()
        self.under_way: dict[Address, asyncio.Task[None]] = {}
        self.woken = asyncio.Event()
        self.moved = asyncio.Event()

    async def follow(self) -> None:
        async for entries in self.feed.follow(after=self.board.position):
            if self.board.apply(entries):
                self.woken.set()
            self.moved.set()
            self.moved = asyncio.Event()

    async def act(self) -> None:
        """Carry out the plan whenever the board changes, and at every beat of the leases."""
        while True:
            self.woken.clear()
            for loss in losses(self.board):
                self.send(loss.job, loss.command)
            for assignment in assignments(self.board, self.under_way):
                self.send(assignment.job, assignment.command)
            try:
                async with asyncio.timeout(self.leases.timing.renew_seconds):
                    await self.woken.wait()
            except TimeoutError:
                self.lose_silent_nodes()

    def lose_silent_nodes(self) -> None:
        for node, incarnation in self.leases.expired(self.board, monotonic_seconds()):
            reason = f"not heard of for {self.leases.timing.lease_seconds + self.leases.timing.margin_seconds:g} s"
            self.send(node, LoseNode(incarnation, reason))

    def send(self, address: Address, command: Command) -> None:
        if address in self.under_way or len(self.under_way) >= SENDING_MAX:
            return
        task = asyncio.create_task(self.send_once(address, command))
        self.under_way[address] = task
        task.add_done_callback(lambda _: self.sent(address))

    def sent(self, address: Address) -> None:
        self.under_way.pop(address, None)
        self.woken.set()

    async def send_once(self, address: Address, command: Command) -> None:
        """One command, then wait until its effect has come back through the log: the plan sees it."""
        seen = self.board.seen.get(address, Seen())
        context = Context(self.command_id(address, command), now(), ACTOR, seen.commit_id, seen.trace)
        try:
            written = await self.commands.send(address, command, context)
        except Refused as refused:
            log.debug("command.refused", address=str(address), code=refused.code, why=refused.detail)
            await asyncio.sleep(RETRY_SECONDS)  # The board is behind; its next event says why.
            return
        except LogUnavailable as error:
            log.warning("command.unanswered", address=str(address), why=str(error))
            await asyncio.sleep(RETRY_SECONDS)
            return
        while self.board.position < written.position:
            await self.moved.wait()

    def command_id(self, address: Address, command: Command) -> str:
        """The same decision has the same id, whoever makes it: a scheduler that died may have said it."""
        job = self.board.jobs.get(address)
        node = self.board.nodes.get(address)
        round = job.attempt if job else (node.incarnation if node else "")
        return f"scheduler:{type(command).__name__}:{address.workspace}/{address}:{round}"

    async def renew(self, subject: str, body: bytes) -> bytes:
        renew = decode(body, Renew, code="lease.malformed")
        for loss in forgotten(self.board, renew):
            log.warning("job.forgotten", job=str(loss.job), node=renew.node)
            self.send(loss.job, loss.command)
        self.progress.hear(renew, monotonic_seconds())
        return answered(self.leases.renew(self.board, renew, monotonic_seconds()))

    async def tell_progress(self, subject: str, body: bytes) -> bytes:
        query = decode(body, ProgressQuery, code="query.malformed")
        return encoder.encode(self.progress.answer(self.board, query, monotonic_seconds()))


async def run(base: ServiceBase, reader: StatesReader, started: Callable[[], None]) -> None:
    """The scheduler as a service: ready when it has its board and hears renewals."""
    async with base.connected("scheduler") as client:
        board = await reader.view.when_sound(load_board)
        commands = Commands(client, "scheduler", base.here)
        scheduler = Scheduler(commands, reader.feed, board, Leases(base.timing))
        await Responder(client, "lease.renew", scheduler.renew).start()
        await Responder(client, "lease.progress", scheduler.tell_progress).start()
        await base.work(started, scheduler.follow(), scheduler.act())
