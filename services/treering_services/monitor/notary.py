"""Sign what the log is, at a cadence, and give it to the witnesses; never sign what does not continue the last.

A checkpoint is signed after CHECKPOINT_COMMITS commits, or CHECKPOINT_SECONDS after the first one that none
covers, whichever is sooner; also when the monitor stops, and when somebody asks.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import cached_property, partial

import structlog
from nats.aio.client import Client

from treering.adapters.checkpoints import Seen, check_length, check_root, read_own, write_own
from treering.adapters.log_check import check_signed
from treering.adapters.log_copy import LogCopy
from treering.adapters.notes import TreeHead
from treering.adapters.signing import SigningKey, make_log_key
from treering.adapters.witnesses import Witness, WitnessUnreachable, give, read_witnesses, seen_by
from treering.config import Home
from treering.kernel.disk import until_written
from treering.kernel.ending import run_each
from treering.kernel.merkle import EMPTY_ROOT
from treering.kernel.projector import Projector
from treering.views.proof_queries import WitnessStatus

CHECKPOINT_COMMITS = 1000
CHECKPOINT_SECONDS = 60.0
log = structlog.get_logger()


class Notary:
    """Holds the log's key. ``head`` is what was signed last, of no commits at the first start."""

    def __init__(self, home: Home, copy: LogCopy, projector: Projector) -> None:
        self.home = home
        self.copy = copy
        self.projector = projector
        self.head = TreeHead("", 0, EMPTY_ROOT)
        self.witnesses: list[WitnessStatus] = []
        self.published = 0  # how much the witnesses were given since this start
        self.signing = asyncio.Lock()
        self.giving = asyncio.Lock()  # apart: a proof waits for no witness

    async def open(self, client: Client) -> None:
        """Compare the log with all that was signed of it: LogDamaged when it is not that log any more."""
        for why in await check_signed(client, self.home, self.copy):
            log.warning("witness.silent", why=why)
        own = read_own(self.home)
        self.head = own.head if own else self.head

    @cached_property
    def key(self) -> SigningKey:
        """The log's key; made when it is first needed, which is after the start: the library takes a while to load."""
        return make_log_key(self.home.keys)

    @property
    def note(self) -> bytes:
        """The last checkpoint, signed. The same text has one signature, so it is as it was given away."""
        return self.key.sign_head(self.head.size, self.head.root)

    async def run(self) -> None:
        """Sign at the cadence until cancelled; LogDamaged when the log is not what was signed."""
        await asyncio.to_thread(lambda: self.key)
        await self.grown_to(self.head.size)
        await self.copy.read(partial(check_root, seen=self.own))
        if self.head.size:
            await until_written(self.publish, "the checkpoint")  # A witness that was away has not seen it yet.
        while True:
            await self.grown_to(self.published + 1)
            with suppress(TimeoutError):
                async with asyncio.timeout(CHECKPOINT_SECONDS):
                    await self.grown_to(self.published + CHECKPOINT_COMMITS)
            await until_written(self.publish, "the checkpoint")

    async def grown_to(self, size: int) -> None:
        while self.copy.tree.size < size:
            await self.projector.moved.wait()

    @property
    def own(self) -> Seen:
        return Seen("the signed checkpoint", self.head)

    async def sign(self) -> None:
        """Sign what the second copy holds now, unless it is signed."""
        async with self.signing:
            tree = self.copy.tree  # The copy replaces it and never changes it.
            if tree.size <= self.head.size:
                return
            await self.copy.read(partial(check_root, seen=self.own))
            await asyncio.to_thread(write_own, self.home, self.key.sign_head(tree.size, tree.root()))
            self.head = TreeHead(self.key.name, tree.size, tree.root())
            log.info("checkpoint.signed", size=tree.size)

    async def publish(self) -> None:
        """Sign what there is; the witnesses that answer have it when this returns."""
        await self.sign()
        async with self.giving:
            head, note = self.head, self.note
            if head.size <= self.published:
                return
            witnesses = await asyncio.to_thread(read_witnesses, self.home)
            self.witnesses = await run_each(*(self.give_to(witness, head, note) for witness in witnesses))
            self.published = head.size

    async def give_to(self, witness: Witness, head: TreeHead, note: bytes) -> WitnessStatus:
        """Compare with what the witness holds, then replace it; a witness that is away is no reason to stop."""
        size = 0
        try:
            seen = await asyncio.to_thread(seen_by, self.home, witness, self.key.verifier)
            if seen:
                size = seen.head.size
                check_length(seen, head.size)
                await self.copy.read(partial(check_root, seen=seen))
            if size < head.size:
                await asyncio.to_thread(give, self.home, witness, note, head.size)
            return WitnessStatus(witness.name, head.size)
        except WitnessUnreachable as error:
            log.warning("witness.silent", why=str(error))
            return WitnessStatus(witness.name, size, str(error))
