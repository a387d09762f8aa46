"""The hard limit of a test: when it is over, the stacks of all threads and asyncio tasks are printed, and the run ends.

A hung test is nearly always one task that waits for another. The stacks of threads show only the event loop's select(),
so the tasks are printed too. The process ends at once: what hangs would hang in the clean-up as well.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
import traceback
from typing import TextIO

import pytest

EXIT_CODE = 1


class HardLimit:
    """The timer of one test, stopped when the test has ended."""

    def __init__(self, item: pytest.Item, seconds: float) -> None:
        self.timer = threading.Timer(seconds, end_run, (item, seconds))
        self.timer.daemon = True
        self.timer.start()


def end_run(item: pytest.Item, seconds: float) -> None:
    """Print where everything stands, then end the process. Runs in the timer's thread."""
    capture = item.config.pluginmanager.getplugin("capturemanager")
    if capture is not None:  # what is printed while pytest captures would be lost with the process
        capture.suspend_global_capture(in_=True)
    out = sys.stderr
    print(f"\n{item.nodeid} is not over after {seconds:g} s", file=out)
    print_threads(out)
    print_tasks(out)
    out.flush()
    os._exit(EXIT_CODE)


def print_threads(out: TextIO) -> None:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, frame in sys._current_frames().items():
        print(f"\n--- thread {names.get(ident, ident)}", file=out)
        traceback.print_stack(frame, file=out)


def print_tasks(out: TextIO) -> None:
    """Every task that has not ended, of every loop: what it awaits, innermost last."""
    for task in [one for one in gc.get_objects() if isinstance(one, asyncio.Task)]:
        if task.done():
            continue
        print(f"\n--- task {task.get_name()}: {task.get_coro()}", file=out)
        for file, line, where in awaited(task):
            print(f"  {file}:{line} in {where}", file=out)


def awaited(task: asyncio.Task[object]) -> list[tuple[str, int, str]]:
    """The frames from the task's coroutine down to what it waits for. ``Task.get_stack`` gives the outermost only."""
    found: list[tuple[str, int, str]] = []
    inner: object = task.get_coro()
    while inner is not None:
        frame = getattr(inner, "cr_frame", None) or getattr(inner, "gi_frame", None) or getattr(inner, "ag_frame", None)
        if frame is None:
            found.append((repr(inner), 0, "awaited"))
            break
        found.append((frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name))
        inner = (
            getattr(inner, "cr_await", None) or getattr(inner, "gi_yieldfrom", None) or getattr(inner, "ag_await", None)
        )
    return found


def start(item: pytest.Item, seconds: float) -> None:
    """Start the timer of ``item``; ``stop`` ends it."""
    item.stash[LIMIT] = HardLimit(item, seconds)


def stop(item: pytest.Item) -> None:
    limit = item.stash.get(LIMIT, None)
    if limit is not None:
        limit.timer.cancel()


LIMIT = pytest.StashKey[HardLimit]()
