"""How long a command takes, against the interpreter with click's import alone. Bar: within 2 times."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.installation import Api, follow, running_treering
from bench.report import Line, report

ROUNDS = 15


def seconds(command: list[str], environment: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    treering = str(Path(sys.executable).with_name("treering"))
    with tempfile.TemporaryDirectory() as name, running_treering(Path(name) / "home") as home:
        environment = {**os.environ, "TREERING_HOME": str(home)}
        position = Api(home).submit("shown", "true")
        follow(home, {"job.completed"}, 1, since=position)
        commands = {
            "bare": [sys.executable, "-c", "import click"],
            "help": [treering, "--help"],
            "show": [treering, "job", "show", "-n", "shown"],
        }
        taken: dict[str, list[float]] = {key: [] for key in commands}
        for _ in range(ROUNDS):
            for key, command in commands.items():
                taken[key].append(seconds(command, environment))
    median = {key: statistics.median(values) * 1000 for key, values in taken.items()}
    report(
        "start-up of a command",
        Line("interpreter and import click", f"{median['bare']:.0f} ms"),
        Line("treering --help", f"{median['help']:.0f} ms", median["help"] / median["bare"], "<=", 2),
        Line("treering job show", f"{median['show']:.0f} ms", median["show"] / median["bare"], "<=", 2),
    )


if __name__ == "__main__":
    main()
