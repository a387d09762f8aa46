"""What a job's console leaves behind: its beginning up to a limit, its last lines, and how much is missing between.

A loop that prints writes 60 MB a second, and the log of an attempt is kept for ever. The last lines are kept because
that is where an error says why.
"""

from __future__ import annotations

import os
from io import FileIO
from pathlib import Path

import structlog

from treering.kernel.refusal import os_words

TAIL_BYTES = 64 * 1024
FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
log = structlog.get_logger()


class Tail:
    """The last lines of what came behind a limit, and how many bytes before them were dropped."""

    def __init__(self) -> None:
        self.over_bytes = 0
        self.last = bytearray()

    def add(self, data: bytes) -> None:
        self.over_bytes += len(data)
        self.last += data
        if len(self.last) > 2 * TAIL_BYTES:
            del self.last[:-TAIL_BYTES]

    def lines(self) -> tuple[int, bytes]:
        """The bytes that are missing, and the lines behind them with a word about that before them."""
        last = bytes(self.last[-TAIL_BYTES:])
        if len(last) < self.over_bytes:  # begin with a whole line
            last = last.partition(b"\n")[2] or last
        dropped = self.over_bytes - len(last)
        gap = f"\n[{dropped} bytes are missing here]\n".encode() if dropped else b""
        return dropped, gap + last + (b"" if last.endswith(b"\n") else b"\n")


class ConsoleFile:
    """Takes every byte and never raises: a job must not fail because its console has no room on the disk."""

    def __init__(self, path: Path, bytes_max: int) -> None:
        self.path = path
        self.bytes_max = bytes_max
        self.file: FileIO | None = None  # made when there is something to write: many jobs say nothing
        self.kept_bytes = 0
        self.tail = Tail()
        self.failure = ""

    def write(self, data: bytes) -> None:
        room = 0 if self.failure else self.bytes_max - self.kept_bytes
        written = self.put(data[:room]) if room > 0 else 0
        self.kept_bytes += written
        if written < len(data):
            self.tail.add(data[written:])

    def put(self, data: bytes) -> int:
        """How many bytes the file took: all, unless the disk said no."""
        done = 0
        try:
            while done < len(data):
                done += self.opened().write(data[done:])
        except OSError as error:
            self.failure = os_words(error)
            log.warning("console.not_kept", file=str(self.path), why=self.failure)
        return done

    def opened(self) -> FileIO:
        if self.file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.file = FileIO(os.open(self.path, FLAGS, 0o644), "wb")
        return self.file

    def close(self) -> bytes:
        """Write the last lines; the very last one, ours, says how much before them was dropped. "" if nothing was."""
        said = b""
        if self.tail.over_bytes:
            dropped, lines = self.tail.lines()
            why = self.failure or f"the limit is {self.bytes_max} (TREERING_CONSOLE_BYTES_MAX)"
            total = self.kept_bytes + self.tail.over_bytes
            said = (
                f"treering: of {total} bytes of this console {dropped} were dropped before its last lines: {why}\n"
            ).encode()
            self.put(lines + said)
        if self.file is not None:
            self.file.close()
        return said
