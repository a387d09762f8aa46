"""The one way to standard output and standard error: what others wrote into a name is shown, and never obeyed.

On a terminal, that is. In a pipe everything is as it is: a program decides there.
"""

from __future__ import annotations

import sys
from typing import TextIO

from treering.kernel.plain_text import as_console, harmless


def put(
    text: object = "", *, end: str = "\n", file: TextIO | None = None, flush: bool = False, console: bool = False
) -> None:
    """As ``print``, to standard output unless ``file`` is given; ``end`` is ours. ``console``: it is that of a job, so
    colours and carriage returns are let through."""
    stream = file or sys.stdout
    said = str(text)
    if stream.isatty():
        said = as_console(said) if console else harmless(said)
    print(said, end=end, file=stream, flush=flush)
