"""The imperative shell around one aggregate: load, decide, append, and try again on a race."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct

from treering.kernel.aggregate import Aggregate
from treering.kernel.command import Context, Written
from treering.kernel.decoding import with_given
from treering.kernel.log import Commit, Conflict, Entry, EventLog, commit_hash, commit_id, encoder
from treering.kernel.refusal import Refused
from treering.kernel.shared_limits import MESSAGE_BYTES_MAX
from treering.kernel.subjects import Address, address_said

S = TypeVar("S")
ATTEMPTS_MAX = 8
KNOWN_MAX = 4_000
COMMIT_BYTES_MAX = MESSAGE_BYTES_MAX - 64 * 1024  # with room for the headers of a message
RECENT_MAX = 16


class Known(Struct, Generic[S], frozen=True):
    """What the writer knows of one aggregate: its state after the commit at ``position``."""

    state: S
    position: int = 0
    version: int = 0
    hash: str = ""
    recent: tuple[tuple[str, int, int], ...] = ()  # (commit id, position, version), newest last


Snapshots = Callable[[Address], Awaitable[Known[Any] | None]]


class Writer(Generic[S]):
    """Carries out commands on the aggregates of one kind.

    New events are checked by the log itself. "No" and "nothing to do" are not, so they are believed
    only on a state that was just caught up. Commands on one aggregate take turns; others do not wait.
    """

    def __init__(self, log: EventLog, aggregate: Aggregate[Any, Any, S], snapshots: Snapshots | None = None) -> None:
        self.log = log
        self.aggregate = aggregate
        self.snapshots = snapshots
        self.known: OrderedDict[Address, Known[S]] = OrderedDict()
        self.turns: dict[Address, deque[asyncio.Future[None]]] = {}

    async def execute(self, address: Address, command: Any, context: Context) -> Written:
        """Carry out one command; raises Refused, Conflict after too many races, or LogUnavailable."""
        await self.take_turn(address)
        try:
            return await self.decide_until_believed(address, command, context)
        except BaseException:
            self.known.pop(address, None)  # what is known may be behind what was stored
            raise
        finally:
            self.pass_turn(address)

    async def decide_until_believed(self, address: Address, command: Any, context: Context) -> Written:
        subject = address.subject
        id = commit_id(subject, context.command_id)
        fresh = False
        for _ in range(ATTEMPTS_MAX):
            known = self.known.get(address) or Known(self.aggregate.initial)
            for earlier, position, version in known.recent:
                if earlier == id:  # The client retried, or an acknowledgement was lost: it was us.
                    return Written(position, version, changed=False)
            try:
                events = self.aggregate.decide(known.state, command)
            except Refused:
                if fresh:
                    raise
                events = []
            if events:
                written = await self.append(address, subject, known, id, events, context)
                if written is not None:
                    return written
            elif fresh:
                return Written(known.position, known.version, changed=False)
            await self.catch_up(address)
            fresh = True
        raise Conflict(f"{address} changed {ATTEMPTS_MAX} times while a command was being decided")

    async def append(
        self, address: Address, subject: str, known: Known[S], id: str, events: list[Any], context: Context
    ) -> Written | None:
        """Append the decision; None when somebody else was first and it must be made again."""
        commit = Commit(
            id=id,
            command_id=context.command_id,
            version=known.version + 1,
            at=context.at,
            actor=context.actor,
            cause=context.cause,
            trace=context.trace,
            prev=known.hash,
            events=self.checked(encoder.encode(events)),
            via=context.via,
        )
        body = encoder.encode(commit)
        if len(body) > COMMIT_BYTES_MAX:
            raise Refused("commit.too_large", f"this would be {len(body)} bytes in the log; {COMMIT_BYTES_MAX} fit in")
        state = self.aggregate.fold(events, known.state)  # before they are stored: what cannot be folded never is
        try:
            appended = await self.log.append(subject, body, id=id, expected=known.position)
        except Conflict:
            return None
        if appended.duplicate:
            return None
        self.remember(address, advance(known, state, appended.position, subject, body, id))
        return Written(appended.position, commit.version)

    def checked(self, events: bytes) -> msgspec.Raw:
        """``Refused("commit.out_of_bounds")`` for events that some view could not hold: no commit can be taken back."""
        try:
            self.aggregate.events.check(events)
        except msgspec.ValidationError as error:
            raise Refused("commit.out_of_bounds", with_given(str(error), events)) from None
        return msgspec.Raw(events)

    async def catch_up(self, address: Address) -> None:
        known = self.known.get(address)
        if known is None and self.snapshots is not None:
            known = await self.snapshots(address)
        known = known or Known(self.aggregate.initial)
        for entry in await self.log.read(address.subject, after=known.position):
            known = self.evolve(known, entry)
        self.remember(address, known)

    def evolve(self, known: Known[S], entry: Entry) -> Known[S]:
        try:
            commit = entry.commit()
            state = self.aggregate.fold(self.aggregate.events.decode(commit.events), known.state)
        except Exception as error:  # of the pure functions too: whatever they fail on is in the log already
            raise Refused(
                "resource.incomplete",
                f"{address_said(entry.subject)} cannot be changed: position {entry.position} of the log cannot be "
                f"applied to it ({type(error).__name__}: {str(error)[:200]}). Other resources are not concerned; "
                "`treering doctor` lists what is incomplete",
            ) from error
        return advance(known, state, entry.position, entry.subject, entry.body, commit.id)

    def remember(self, address: Address, known: Known[S]) -> None:
        self.known[address] = known
        self.known.move_to_end(address)
        if len(self.known) > KNOWN_MAX:
            self.known.popitem(last=False)

    async def take_turn(self, address: Address) -> None:
        waiting = self.turns.get(address)
        if waiting is None:
            self.turns[address] = deque()
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.pass_turn(address)
            else:
                waiting.remove(turn)
            raise

    def pass_turn(self, address: Address) -> None:
        waiting = self.turns[address]
        while waiting:
            turn = waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        del self.turns[address]


def advance(known: Known[S], state: S, position: int, subject: str, body: bytes, id: str) -> Known[S]:
    """What is known after one more commit; ``recent`` keeps the last few ids to recognise a retry."""
    version = known.version + 1
    recent = (*known.recent[-RECENT_MAX + 1 :], (id, position, version))
    return Known(state, position, version, commit_hash(subject, body), recent)
