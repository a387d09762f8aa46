"""The main job, end to end: start treering, train, watch, then ask the log what happened and whether it holds.

Run by ``make demo``. Everything is kept in ``.demo``; a second run starts from there.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
HOME = ROOT / ".demo"
TREERING = [str(Path(sys.executable).parent / "treering")]


def title(text: str) -> None:
    print(f"\n\033[1m== {text}\033[0m" if sys.stdout.isatty() else f"\n== {text}", flush=True)


def run(*words: str, check: bool = True) -> int:
    print(f"$ treering {' '.join(words)}", flush=True)
    code = subprocess.run([*TREERING, *words], env={**os.environ, "TREERING_HOME": str(HOME)}, cwd=ROOT).returncode
    if check and code:
        sys.exit(f"demo: `treering {' '.join(words)}` ended with exit code {code}")
    return code


def up() -> subprocess.Popen[str]:
    server = subprocess.Popen(
        [*TREERING, "up", "--home", str(HOME), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=(HOME / "up.log").open("a"),
        text=True,
        cwd=ROOT,
    )
    assert server.stdout is not None
    line = server.stdout.readline()
    if not line.startswith("treering is"):
        sys.exit(f"demo: treering did not start; {HOME / 'up.log'} says why")
    print(line, end="", flush=True)
    return server


def main() -> None:
    HOME.mkdir(exist_ok=True, mode=0o700)
    began = time.monotonic()
    title("Start treering: nats-server, registry, scheduler, executor, monitor, gateway")
    server = up()
    try:
        print(f"({time.monotonic() - began:.1f} s)")
        title("Submit the training job and watch it")
        name = f"digits-{time.strftime('%Y%m%d-%H%M%S')}"
        run("job", "create", "-f", "examples/digits/job.yml", "--name", name, "--stream")
        title("Its status and outputs")
        run("job", "show", "-n", name, "--query", "{status:status,outputs:outputs,seconds:properties.seconds}")
        run("job", "download", "-n", name, "--all", "--download-path", f".demo/downloads/{name}")
        scores = json.loads((HOME / "downloads" / name / "artifacts" / "outputs" / "scores.json").read_text())
        print(f"final accuracy {scores['history'][-1]['accuracy']}")
        title("The timeline of its events: who, what, when, and from which cause")
        run("story", f"job/{name}", "-o", "table")
        title("Is the log what it was?")
        run("log", "verify", "-o", "yaml")
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=30)
    title("treering is stopped. Keep it running with: .venv/bin/treering up")


if __name__ == "__main__":
    main()
