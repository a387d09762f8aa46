"""What the sandbox adds to the start of a command: launched until ended, with and without, in turns. Bar: 10 ms."""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from bench.report import Line, report
from treering.adapters.launcher import Launch, Launcher
from treering.adapters.sandbox.choose import choose_sandbox
from treering.adapters.sandbox.port import Room
from treering.adapters.sandbox.python_paths import python_paths

ROUNDS = 60
ADDED_MS_MAX = 10.0
CLAIM_SECONDS = 0.03  # an executor writes the start into the log before its go, while the child gets ready


async def milliseconds(launcher: Launcher, launch: Launch) -> float:
    """From the go to the end; what comes before the go happens while a job waits for its slot."""
    running = await launcher.launch(launch)
    await asyncio.sleep(CLAIM_SECONDS)
    began = time.perf_counter()
    running.go()
    ended = await running.wait()
    assert ended.exit_code == 0, ended
    return (time.perf_counter() - began) * 1000


async def measured(folder: Path) -> dict[str, list[float]]:
    sandbox = choose_sandbox("auto", folder / "home")
    launcher = Launcher("bench", home=folder / "home", sandbox=sandbox)
    (folder / "job").mkdir()
    room = Room(folder / "job", (folder / "job",), python_paths(Path(sys.executable)), (folder / "home",))
    taken: dict[str, list[float]] = {"without": [], sandbox.name: []}
    await launcher.start()
    try:
        for number in range(ROUNDS):
            for name, inside in (("without", None), (sandbox.name, room)):
                env = {"PATH": os.environ["PATH"]}
                argv = ["/bin/bash", "-c", "true"]
                launch = Launch(f"{name}{number}", argv, folder / "job", env, inside)
                taken[name].append(await milliseconds(launcher, launch))
    finally:
        await launcher.close()
    return taken


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        taken = asyncio.run(measured(Path(name)))
    medians = {name: statistics.median(values) for name, values in taken.items()}
    (without, alone), (sandboxed, inside) = medians.items()
    added = inside - alone
    report(
        f"start of a command, p50 of {ROUNDS}",
        Line(without, f"{alone:.1f} ms"),
        Line(sandboxed, f"{inside:.1f} ms"),
        Line("added, of 10 ms", f"{added:.1f} ms", added / ADDED_MS_MAX, "<=", 1),
    )


if __name__ == "__main__":
    main()
