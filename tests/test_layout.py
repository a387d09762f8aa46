"""What may stand only in certain files of libs/ and services/. An exception is listed here with its reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

ROOT = Path(__file__).parents[1]
Places = Mapping[tuple[str, str], str]

ENDS = "libs/treering/kernel/ending.py"
CANCELS: Places = {
    (ENDS, "task.cancel"): "it is the function that all others use",
    ("libs/treering/adapters/builds.py", "build.task.cancel"): "nobody waits: killing what uv started may take long",
    ("libs/treering/adapters/gateway_relay.py", "task.cancel"): "called where nothing can be awaited",
    ("libs/treering/adapters/nats_cancel.py", "timer.cancel"): "a timer",
    ("libs/treering/adapters/sqlite_view.py", "self.moving.cancel"): "a timer",
    ("libs/treering/kernel/asking.py", "future.cancel"): "called where nothing can be awaited; who waits sees it end",
    ("libs/treering/kernel/turnstile.py", "timer.cancel"): "a timer",
    ("services/treering_services/executor/stepping.py", "task.cancel"): "a second one would interrupt its clean-up",
    ("services/treering_services/gateway/http/accepting.py", "self.again.cancel"): "a timer",
    ("services/treering_services/notifier/service.py", "waiting.cancel"): "a timer",
    ("services/treering_services/stopping.py", "self.timer.cancel"): "a timer",
}
# asyncio.wait_for loses a cancellation before Python 3.12; a task group waits for ever for a task that has lost one.
FORGETFUL = ("asyncio.wait_for", "asyncio.TaskGroup", "anyio.create_task_group")
# asyncio.gather leaves the others running when one fails.
GATHERS: Places = {
    ("libs/treering/adapters/blobs.py", "asyncio.gather"): "one part, a thread: waited for also when we are cancelled",
    ("libs/treering/adapters/checked_blobs.py", "asyncio.gather"): "as in blobs.py",
    ("libs/treering/testing/log_contract.py", "asyncio.gather"): "the errors are what it judges",
}
# asyncio's servers lose a connection that they accept as they end.
SERVERS: Places = {
    ("libs/treering/adapters/gateway_relay.py", "asyncio.start_server"): "ended by stop_listening, and awaits nothing",
    ("libs/treering/kernel/listening.py", "asyncio.start_server"): "it is the module that all others use",
}
OPENS: Places = {
    ("libs/treering/adapters/sqlite_open.py", "sqlite3.connect"): "it is the module that all others use",
}


def sources(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text())


def calls(*names: str, folders: Sequence[str] = ("libs", "services")) -> set[tuple[str, str]]:
    """Where one of ``names`` is called, by file and by what is written there; "*.name" is the method of anything."""
    found = set()
    for file, module in sources(*folders):
        for node in ast.walk(module):
            if isinstance(node, ast.Call):
                written = ast.unparse(node.func)
                if any(fnmatchcase(written, name) for name in names):
                    found.add((file, written))
    return found


def test_stream_servers_are_ended_by_the_function_that_loses_no_connection() -> None:
    found = calls("*.start_server", folders=("libs", "services", "tests"))
    assert found == set(SERVERS), "use treering.kernel.listening, or say here why it does not do"


def test_tasks_are_ended_by_the_function_that_ends_them_for_certain() -> None:
    assert calls("*.cancel") == set(CANCELS), "use treering.kernel.ending.end, or say here why it does not do"


def test_nothing_waits_in_a_way_that_forgets_a_cancellation() -> None:
    assert not calls(*FORGETFUL), "use asyncio.timeout and treering.kernel.ending.run_together"


def test_parts_that_run_side_by_side_are_ended_when_one_fails() -> None:
    assert calls("asyncio.gather") == set(GATHERS), "use run_together or run_each of treering.kernel.ending"


def test_sqlite_files_are_opened_by_one_module() -> None:
    assert calls("sqlite3.connect", "sqlite3.Connection") == set(OPENS), "use treering.adapters.sqlite_open"
