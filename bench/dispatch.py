"""From a submitted job to its running process, and many short jobs on two slots.

Bars: the process starts <= 30 ms later than a bare posix_spawn of the same interpreter would have started it
(median); 500 jobs that do nothing run at >= 0.7 of the rate of a bare asyncio subprocess loop.

The loop runs the same command line, by the same shell, with the same variables and interpreter, as many at a time, and
reads what it prints. On a machine that is busy otherwise the rates say little: the more processes, the larger their
share. So the processor time of both is printed too.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import tempfile
import threading
import time
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bench.installation import SHARED, Api, follow, running_treering
from bench.processor import own_seconds, used_seconds
from bench.report import Line, report
from treering_services.executor.steps import SHELL

SINGLES = 40
JOBS = 500
SLOTS = 2
SUBMITTERS = 4
ENDINGS = {"job.completed", "job.failed", "job.canceled"}
NOTHING = "python -c pass"
SAY_WHO = "import json, os, sys; json.dump([sys.executable, dict(os.environ)], open(sys.argv[1], 'w'))"
SAY_WHEN = "import sys, time; open(sys.argv[1], 'w').write(str(time.time()))"


def bare_start(python: str, folder: Path) -> float:
    """Milliseconds from posix_spawn to the first statement of the interpreter."""
    file = folder / "bare"
    began = time.time()
    pid = os.posix_spawn(python, [python, "-c", SAY_WHEN, str(file)], dict(os.environ))
    os.waitpid(pid, 0)
    return (float(file.read_text()) - began) * 1000


def job_start(api: Api, home: Path, folder: Path, number: int) -> float:
    """Milliseconds from the submission to the first statement of the job's interpreter."""
    file = folder / f"job{number}"
    began = time.time()
    position = api.submit(f"start-{number}", f'python -c "{SAY_WHEN}" {file}')
    follow(home, ENDINGS, 1, since=position)
    return (float(file.read_text()) - began) * 1000


def submit_all(home: Path) -> None:
    def some(first: int) -> None:
        api = Api(home)
        for number in range(first, JOBS, SUBMITTERS):
            api.submit(f"many-{number}", NOTHING)

    threads = [threading.Thread(target=some, args=(first,)) for first in range(SUBMITTERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Rate(NamedTuple):
    """``processor_ms`` is the processor time of one, the command's own included."""

    per_second: float
    processor_ms: float


def job_rate(home: Path, position: int) -> Rate:
    began, server = time.perf_counter(), int((home / "up.pid").read_text())
    used = used_seconds(server)
    submitting = threading.Thread(target=submit_all, args=(home,))
    submitting.start()
    ended = follow(home, ENDINGS, JOBS, since=position)
    submitting.join()
    if any(event["type"] != "job.completed" for event in ended):
        bad = [event for event in ended if event["type"] != "job.completed"]
        raise RuntimeError(f"a job did not complete: {bad[0]}")
    return Rate(JOBS / (time.perf_counter() - began), (used_seconds(server) - used) / JOBS * 1000)


async def bare_rate(argv: Sequence[str], variables: dict[str, str]) -> Rate:
    left = iter(range(JOBS))

    async def slot() -> None:
        for _ in left:
            process = await asyncio.create_subprocess_exec(*argv, stdout=PIPE, stderr=STDOUT, env=variables)
            await process.communicate()

    began, used = time.perf_counter(), own_seconds()
    await asyncio.gather(*(slot() for _ in range(SLOTS)))
    return Rate(JOBS / (time.perf_counter() - began), (own_seconds() - used) / JOBS * 1000)


def mean(rates: Sequence[Rate]) -> Rate:
    return Rate(*(statistics.mean(values) for values in zip(*rates, strict=True)))


def main() -> None:
    with tempfile.TemporaryDirectory() as name, running_treering(Path(name) / "home", slots=SLOTS) as home:
        api, folder = Api(home), Path(name) / SHARED
        where = folder / "python"
        position = api.submit("warm", f'python -c "{SAY_WHO}" {where}')
        follow(home, ENDINGS, 1, since=position)
        python, variables = json.loads(where.read_text())
        starts = [(job_start(api, home, folder, n), bare_start(python, folder)) for n in range(SINGLES)]
        ours, bare = (statistics.median(values) for values in zip(*starts, strict=True))
        position = api.submit("last", "true")
        (ended,) = follow(home, ENDINGS, 1, since=position)
        same = (SHELL, "-c", NOTHING)
        loops = [asyncio.run(bare_rate(same, variables))]
        jobs = job_rate(home, int(ended["position"]))
        loops.append(asyncio.run(bare_rate(same, variables)))
        alone = asyncio.run(bare_rate((python, "-c", "pass"), dict(os.environ)))
    loop = mean(loops)
    report(
        "dispatch",
        Line("bare posix_spawn of the interpreter, to its start", f"{bare:.1f} ms"),
        Line("job submitted to its process started, median", f"{ours:.1f} ms"),
        Line("overhead in ms (as its ratio to 1 ms)", f"{ours - bare:.1f} ms", ours - bare, "<=", 30),
        Line("the same loop without a shell and the job's variables", f"{alone.per_second:.1f}/s"),
        Line("bare asyncio subprocess loop, 2 at a time", f"{loop.per_second:.1f}/s"),
        Line("500 jobs on two slots", f"{jobs.per_second:.1f}/s", jobs.per_second / loop.per_second, ">=", 0.7),
        Line("processor time of one in the loop", f"{loop.processor_ms:.1f} ms"),
        Line("processor time of a job, all of treering", f"{jobs.processor_ms:.1f} ms"),
        Line("of one in the loop without shell and variables", f"{alone.processor_ms:.1f} ms"),
    )


if __name__ == "__main__":
    main()
