"""Whether the file of a view can be believed, and until when its reads are refused after it was found damaged.

    sound --note: a page is not as it was written--> damaged --begin_again: a new file--> being made again
      ^                                                                                          |
      +------------- moved: every stream is again where it was when the damage was found --------+

A view is a fold of the log, so damage costs a replay and nothing else. Until the new file has caught up it would show
less than was shown before; so reads are refused (``view.damaged``) and nothing that was changed is ever served.
"""

from __future__ import annotations

import asyncio

import structlog

from treering.adapters.sqlite_faults import said
from treering.kernel.projector import ViewDamaged

log = structlog.get_logger()


class Soundness:
    """One a file. ``damaged`` is set when the file is to be made again; ``generation`` counts the files."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.why = ""
        self.damaged = asyncio.Event()
        self.sound = asyncio.Event()
        self.sound.set()
        self.needs_file = False
        self.generation = 0
        self.reached: dict[str, int] = {}  # position by stream
        self.goals: dict[str, int] = {}
        self.loop: asyncio.AbstractEventLoop | None = None

    def require(self) -> None:
        """Raises ViewDamaged while the file cannot be believed, or shows less than was shown before."""
        if self.why:
            raise self.refusal()

    def refusal(self) -> ViewDamaged:
        reached, goal = sum(self.reached.values()), sum(self.goals.values())
        progress = f"{reached} of {goal} positions" if goal else "it begins in a moment"
        return ViewDamaged(
            "view.damaged",
            f"the file of the view {self.name} was damaged ({self.why}) and is made again from the log: {progress}; "
            "nothing is lost, try again",
        )

    def note(self, error: Exception) -> ViewDamaged:
        """The error to raise for a damaged file. Safe to call from any thread."""
        if not self.needs_file:
            self.why, self.needs_file = said(error), True
            log.error("view.damaged", view=self.name, why=self.why)
            self.tell()
        return self.refusal()

    def begin_again(self) -> None:
        """There is a new, empty file."""
        self.needs_file = False
        self.goals = {stream: max(at, self.goals.get(stream, 0)) for stream, at in self.reached.items()}
        self.reached = dict.fromkeys(self.goals, 0)
        self.generation += 1

    def moved(self, stream: str, position: int) -> None:
        """The file shows ``stream`` up to ``position``."""
        self.reached[stream] = position
        if self.why and not self.needs_file and all(self.reached[one] >= goal for one, goal in self.goals.items()):
            log.warning("view.made_again", view=self.name, reached=self.reached)
            self.why, self.goals = "", {}
            self.tell()

    def tell(self) -> None:
        """Set the events, which belong to the loop, from whichever thread this is."""
        if self.loop is not None:
            self.loop.call_soon_threadsafe(self.set_events)

    def set_events(self) -> None:
        if self.needs_file:
            self.damaged.set()
        if self.why:
            self.sound.clear()
        else:
            self.sound.set()

    async def wait(self) -> None:
        """Until the file can be believed."""
        while self.why:
            await asyncio.sleep(0)  # the event may still be about to be cleared
            await self.sound.wait()
