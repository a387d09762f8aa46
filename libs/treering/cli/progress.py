"""The display of a watched job on a terminal: console lines scroll above, the stages stay at the bottom."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from treering.cli.stages import STAGES, Stages
from treering.cli.times import between_seconds, human
from treering.kernel.plain_text import harmless, with_colours

LINE_CHARACTERS_MAX = 64 * 1024
MARKS = {"past": "[green]+[/]", "now": "[bold cyan]>[/]", "ahead": "[dim].[/]"}


class Display(Stages):
    """Lines are taken apart by rich, which keeps colours and drops what else a terminal would obey."""

    def __init__(self, job: dict[str, Any]) -> None:
        super().__init__(job)
        self.console = Console()
        self.partial = ""
        self.lock = threading.RLock()
        self.live = Live(console=self.console, get_renderable=self.stages, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        self.live.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        with self.lock:
            if self.partial:
                self.line(self.partial)
        self.live.__exit__(None, None, None)

    def write(self, text: str) -> None:
        with self.lock:
            lines = (self.partial + text).split("\n")
            self.partial = lines.pop()
            if len(self.partial) > LINE_CHARACTERS_MAX:
                lines.append(self.partial)
                self.partial = ""
            for line in lines:
                self.line(line)

    def line(self, text: str) -> None:
        """One line of the console; of one that was written over (a progress bar), how it was last."""
        shown = text.rstrip("\r").rpartition("\r")[2]
        self.console.print(Text.from_ansi(with_colours(shown)), soft_wrap=True)

    def note(self, line: str) -> None:
        self.console.print(Text(harmless(f"treering: {line}"), style="dim"))

    def reached(self, status: str, at: str) -> None:
        self.since.append((status, at))

    def stages(self) -> Text:
        """``+ Queued 0.2 s  + Preparing 3.1 s  > Running 12 s  . Finalizing``."""
        current = self.since[-1][0]
        parts = [f"[bold]{self.job['name']}[/]"]
        shown = STAGES if current in STAGES or current in ("Completed", "Failed") else (*STAGES, current)
        for stage in shown:
            seconds = self.spent_seconds(stage)
            form = "now" if stage == current else "past" if seconds is not None else "ahead"
            parts.append(f"{MARKS[form]} {stage}" + (f" {human(seconds)}" if seconds is not None else ""))
        return Text.from_markup("  ".join(parts))

    def spent_seconds(self, stage: str) -> float | None:
        """How long it was in a stage the last time, or is now; None when it has not come there."""
        ends = [since for _, since in self.since[1:]] + [datetime.now(UTC).isoformat()]
        spent = [
            between_seconds(since, end)
            for (status, since), end in zip(self.since, ends, strict=True)
            if status == stage
        ]
        return spent[-1] if spent else None
