"""From a submitted job to its running process, and many short jobs on two slots.

Bars: the process starts <= 30 ms later than a bare posix_spawn of the same interpreter would have started it
(median); 500 jobs that do nothing run at >= 0.7 of the rate of a bare asyncio subprocess loop.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import threading
import time
from pathlib import Path

from bench.installation import Api, follow, running_treering
from bench.report import Line, report

SINGLES = 40
JOBS = 500
SLOTS = 2
SUBMITTERS = 4
ENDINGS = {"job.completed", "job.failed", "job.canceled"}
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
            api.submit(f"many-{number}", "python -c pass")

    threads = [threading.Thread(target=some, args=(first,)) for first in range(SUBMITTERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def job_rate(home: Path, position: int) -> float:
    began = time.perf_counter()
    submitting = threading.Thread(target=submit_all, args=(home,))
    submitting.start()
    ended = follow(home, ENDINGS, JOBS, since=position)
    submitting.join()
    if any(event["type"] != "job.completed" for event in ended):
        raise RuntimeError("a job did not complete")
    return JOBS / (time.perf_counter() - began)


async def bare_rate(python: str) -> float:
    left = iter(range(JOBS))

    async def slot() -> None:
        for _ in left:
            process = await asyncio.create_subprocess_exec(python, "-c", "pass", stdout=asyncio.subprocess.PIPE)
            await process.communicate()

    began = time.perf_counter()
    await asyncio.gather(*(slot() for _ in range(SLOTS)))
    return JOBS / (time.perf_counter() - began)


def main() -> None:
    with tempfile.TemporaryDirectory() as name, running_treering(Path(name) / "home", slots=SLOTS) as home:
        api, folder = Api(home), Path(name)
        where = folder / "python"
        position = api.submit("warm", f"python -c 'import sys; open(sys.argv[1], \"w\").write(sys.executable)' {where}")
        follow(home, ENDINGS, 1, since=position)
        python = where.read_text()
        starts = [(job_start(api, home, folder, n), bare_start(python, folder)) for n in range(SINGLES)]
        ours, bare = (statistics.median(values) for values in zip(*starts, strict=True))
        position = api.submit("last", "true")
        follow(home, ENDINGS, 1, since=position)
        loops = [asyncio.run(bare_rate(python))]
        jobs = job_rate(home, position + 5)
        loops.append(asyncio.run(bare_rate(python)))
    loop = statistics.mean(loops)
    report(
        "dispatch",
        Line("bare posix_spawn of the interpreter, to its start", f"{bare:.1f} ms"),
        Line("job submitted to its process started, median", f"{ours:.1f} ms"),
        Line("overhead in ms (as its ratio to 1 ms)", f"{ours - bare:.1f} ms", ours - bare, "<=", 30),
        Line("bare asyncio subprocess loop, 2 at a time", f"{loop:.1f}/s"),
        Line("500 jobs on two slots", f"{jobs:.1f}/s", jobs / loop, ">=", 0.7),
    )


if __name__ == "__main__":
    main()
