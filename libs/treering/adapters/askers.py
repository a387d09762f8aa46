"""Says to a service that answers questions for whom another asks it, and when that client is gone.

A question has its caller and an id in headers; a message on the subject ``gone`` beside the questions ends it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from treering.kernel.asking import Asker
from treering.kernel.clock import new_id

CALLER = "treering-caller"
QUESTION = "treering-question"
GONE = "gone"
SUBJECTS = ("qry", "hook")  # whose services are told; NATS lets the gateway say anything there


def named(asker: Asker, to: str) -> dict[str, str]:
    """The headers of a question of ``asker``; none for a service that is not told."""
    if to not in SUBJECTS:
        return {}
    return {QUESTION: new_id(), **({CALLER: asker.caller} if asker.caller else {})}


async def tell_gone(client: Client, to: str, headers: dict[str, str]) -> None:
    """Nobody waits for the answer to the question with these headers any more."""
    if not headers:
        return
    with suppress(nats.errors.Error, OSError):
        await client.publish(f"{to}.{GONE}", headers[QUESTION].encode())


class Askers:
    """Those whose questions one responder is answering. Only for subjects on which nobody but services may ask:
    the headers are believed."""

    def __init__(self) -> None:
        self.waiting: dict[str, Asker] = {}

    def add(self, message: Msg, task: asyncio.Task[None]) -> None:
        """``task`` answers it."""
        headers = message.headers or {}
        if id := headers.get(QUESTION, ""):
            self.waiting[id] = Asker(headers.get(CALLER, ""))
            task.add_done_callback(lambda _: self.waiting.pop(id, None))

    def of(self, message: Msg) -> Asker:
        return self.waiting.get((message.headers or {}).get(QUESTION, "")) or Asker()

    def told(self, message: Msg) -> bool:
        """Whether the message is no question but says that an asker is gone; it leaves then."""
        if message.subject.rpartition(".")[2] != GONE:
            return False
        if asker := self.waiting.get(message.data.decode("ascii", "replace")):
            asker.leave()
        return True
