"""What may stand only in certain files of libs/ and services/. An exception is listed here with its reason."""

from __future__ import annotations

import ast
from collections.abc import Container, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from graphlib import TopologicalSorter
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


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def sources(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), parsed(path)


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


def test_modules_import_in_one_direction() -> None:
    """In a circle it depends on who comes first whether a module can be imported at all."""
    files = {module_name(file): module for file, module in sources("libs", "services")}
    graph = {name: imports(name, module, files) for name, module in files.items()}
    TopologicalSorter(graph).prepare()


def module_name(file: str) -> str:
    """ "libs/treering/kernel/log.py" is treering.kernel.log."""
    return file.partition("/")[2].removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imports(name: str, module: ast.Module, files: Container[str]) -> set[str]:
    """What is imported as ``module`` is: not in its functions, and not for type checkers. A package comes with each of
    its modules, unless ``name`` is one of them."""
    found = set()
    for node in module.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
        elif isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
    packages = {".".join(one.split(".")[:depth]) for one in found for depth in range(1, one.count(".") + 1)}
    own = {one for one in packages | {name} if f"{name}.".startswith(f"{one}.")}
    return {one for one in found | packages if one in files} - own


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
