"""An attempt's console: into a file, and live to whoever watches through the LOG stream; both have a limit."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog
from nats.aio.client import Client

from treering.adapters.appender import REQUEST_FAILED
from treering.adapters.free_space import require_last_room, require_room
from treering.adapters.masking import MaskedStream, Masker
from treering.adapters.stalls import Stalls
from treering.config import console_bytes_max
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address, encode_token
from treering.kernel.url_secrets import without_secrets
from treering_services.executor.console_file import ConsoleFile, Tail

CHUNK_BYTES_MAX = 64 * 1024
LIVE_BYTES_MAX = 32 * 1024 * 1024
FLUSH_SECONDS = 0.05
PUBLISH_TIMEOUT_SECONDS = 5.0
CUT = b"\n[the live console has reached its limit; its last lines follow in the end, and the archived log has more]\n"
GAP = b"\n[lines are missing here: the disk was nearly full; the archived log has them]\n"
log = structlog.get_logger()


class Console:
    """Chunks are gathered for a moment before they are published, so a chatty job costs few messages.

    Secrets that ``masker`` knows are masked first of all, before anything cuts what was said.
    ``store`` is the folder of the streams, or where it would be on this machine: while its disk is nearly full,
    what a job says goes into the file only, as commands of clients are refused then.
    """

    def __init__(
        self,
        client: Client,
        job: Address,
        attempt: int,
        file: Path,
        store: Path,
        bytes_max: int | None = None,
        masker: Masker | None = None,
    ) -> None:
        self.client = client
        self.masker = masker or Masker()
        self.masked = MaskedStream(self.masker)
        self.store = store
        self.stalls = Stalls(client, "log")
        self.missing = self.closed = self.mid_line = False
        self.subject = f"log.{encode_token(job.workspace)}.{encode_token(job.key)}.{attempt}"
        self.archive = ConsoleFile(file, console_bytes_max() if bytes_max is None else bytes_max)
        self.gathered = bytearray()
        self.unseen = Tail()
        self.live_bytes = 0
        self.flushing: asyncio.Task[None] | None = None

    def say(self, line: str) -> None:
        """A line of ours, marked as such, and a line of its own. It comes before what is held back of the job."""
        begun = "\n" if self.mid_line else ""
        self.keep(f"{begun}treering: {self.masker.text(without_secrets(line))}\n".encode(errors="replace"))

    def write(self, data: bytes) -> None:
        """What the job wrote. What may be the beginning of a secret is held back until more is written."""
        if passed := self.masked.feed(data):
            self.keep(passed)

    def written(self) -> None:
        """The job writes no more."""
        if passed := self.masked.flush():
            self.keep(passed)

    def keep(self, data: bytes) -> None:
        """Into the file, and live."""
        self.archive.write(data)
        self.mid_line = not data.endswith(b"\n")
        if self.live_bytes >= LIVE_BYTES_MAX:
            self.unseen.add(data)
            return
        self.live_bytes += len(data)
        if self.live_bytes < LIVE_BYTES_MAX:
            self.gathered += data
        else:
            self.unseen.add(data)
            self.gathered += CUT
        if self.flushing is None:
            self.flushing = asyncio.create_task(self.flush_soon())

    async def flush_soon(self) -> None:
        try:
            if len(self.gathered) < CHUNK_BYTES_MAX:
                await asyncio.sleep(FLUSH_SECONDS)
            while self.gathered:
                chunk = bytes(self.gathered[:CHUNK_BYTES_MAX])
                del self.gathered[:CHUNK_BYTES_MAX]
                await self.publish(chunk)
        finally:
            self.flushing = None

    async def publish(self, chunk: bytes) -> None:
        """A chunk, or with b"" the end, which says so little that it may take the room the services have left."""
        try:
            (require_room if chunk else require_last_room)(self.store)
        except Refused as refused:
            if not self.missing:
                log.warning("console.not_live", subject=self.subject, why=refused.detail)
            self.missing = True
            return
        if self.missing and chunk:
            chunk, self.missing = GAP + chunk, False
        try:
            await self.client.request(self.subject, chunk, timeout=PUBLISH_TIMEOUT_SECONDS)
            self.stalls.acknowledged()
        except REQUEST_FAILED as error:
            await self.stalls.unanswered(error)
            log.warning("console.chunk_lost", subject=self.subject, why=str(error) or type(error).__name__)

    async def close(self) -> None:
        """Publish what is left, then the empty message that says the attempt's console is complete.

        Those who watched it live and were cut off get its last lines too. A second time does nothing.
        """
        if self.closed:
            return
        self.closed = True
        self.written()
        if self.unseen.over_bytes:
            self.gathered += self.unseen.lines()[1]
        self.gathered += self.archive.close()
        if self.flushing is not None:
            await self.flushing
        while self.gathered:
            await self.flush_soon()
        if self.live_bytes:
            await self.publish(b"")
