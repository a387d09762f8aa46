"""``job download``: outputs, logs and artifacts into a folder, laid out as ``az ml job download`` does.

Below ``artifacts`` stands what the output ``default`` is: ``user_logs`` for the console, ``outputs`` and ``logs`` for
``./outputs`` and ``./logs``, and what the script logged with MLflow, where it put it. With ``--all`` also
``named-outputs/NAME`` for the outputs of the YAML.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from treering.cli.lazy import Verb
from treering.cli.names import named
from treering.cli.notes import note
from treering.cli.session import Session
from treering.cli.shapes import TERMINAL, Shape
from treering.kernel.refusal import Refused

if TYPE_CHECKING:
    from treering.client.download import Downloaded
    from treering.client.http import Client

DEFAULT = "default"  # the output that no YAML names: the job's artifacts
ALSO_DEFAULT = "artifacts"  # how references call it
FOLDER = "artifacts"
CONSOLE = "user_logs/std_log.txt"
OF_DEFAULT = (DEFAULT, "logs", "./logs")


@click.command("download", cls=Verb)
@named
@click.option("--output-name", help="Only this output; `default` is ./outputs, the logs and what was logged.")
@click.option("--download-path", "-p", "folder", type=click.Path(path_type=Path), default=Path("."), help="Where to.")
@click.option("--all", "all_", is_flag=True, help="The outputs that the YAML names too.")
@click.pass_obj
def download(session: Session, name: str, output_name: str | None, folder: Path, all_: bool) -> None:
    """Bring the logs of a job, its ./outputs and what it logged here; with --all, all its outputs."""
    from treering.client.staged import staged

    with session.client() as client:
        job = client.get(session.path("job", name))
        asked = wanted(job, output_name, all_)
        with staged(folder) as stage:
            rows, missing = brought(client, job, asked, stage)
    if job["status"] not in TERMINAL:
        note(f"job {name} is {job['status']}: this is what it has so far; {to_come(job)}")
    elif not rows:
        note(f"job {name} ({job['status']}) left no files and logged none")
    for line in [*left_out(job, asked), *missing]:
        note(line)
    if more := [one for one in job["state"].get("outputs", {}) if one not in asked] if not output_name else []:
        note(f"not brought: {', '.join(more)}; --all brings them, or --output-name one")
    for row in rows:
        row["path"] = str(folder / row["path"])
    session.table(rows, {"Output": "output", "Path": "path", "Files": "files", "Bytes": "bytes"})


def wanted(job: Shape, output_name: str | None, all_: bool) -> list[str]:
    """The names of the outputs to bring. ``Refused``: ``output.absent``."""
    made = job["state"].get("outputs", {})
    if output_name is None:
        return [DEFAULT, *(one for one in made if one != DEFAULT and all_)]
    if output_name in made:
        return [output_name]
    if output_name in (DEFAULT, ALSO_DEFAULT):
        return [DEFAULT]
    if output_name in job["state"]["spec"].get("outputs", {}) and job["status"] not in TERMINAL:
        why = f"job {job['name']} is {job['status']}; its output {output_name!r} is stored when it ends"
        raise Refused("output.absent", why)
    there = ", ".join(dict.fromkeys([*made, DEFAULT]))
    raise Refused("output.absent", f"job {job['name']} ({job['status']}) has no output {output_name!r}; it has {there}")


def brought(client: Client, job: Shape, asked: list[str], folder: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """A row for each thing that came, and sentences about what could not."""
    from treering.client.download import download_tree
    from treering.client.logged import download_logged
    from treering.kernel.safe_path import SafePath

    rows = []
    for output, digest, target in trees(job, asked):
        rows.append(row(output, target, download_tree(client, digest, folder / SafePath.parse(target).text)))
    if DEFAULT not in asked:
        return rows, []
    rows += [] if job["state"].get("logs") else console_so_far(client, job, folder)
    done, left_out = download_logged(client, job["name"], folder / FOLDER)
    rows += [row("logged", FOLDER, done)] if done.files else []
    return rows, [f"not brought: {one}" for one in left_out]


def console_so_far(client: Client, job: Shape, folder: Path) -> list[dict[str, Any]]:
    """Bring what the console of a job has while its node did not archive it: the job runs, or its node died."""
    from treering.client.artifacts import reply_into
    from treering.client.download import Downloaded
    from treering.client.urls import segment

    target = folder / FOLDER / CONSOLE
    path = f"/v1/workspaces/{segment(job['workspace'])}/jobs/{segment(job['name'])}/logs"
    if size_bytes := reply_into(client, path, target):
        return [row("logs", FOLDER, Downloaded(1, size_bytes))]
    target.unlink()
    with suppress(OSError):  # what is not empty stays
        for made in (target.parent, folder / FOLDER):
            made.rmdir()
    return []


def to_come(job: Shape) -> str:
    """What its node alone has until the job ends."""
    named = [one for one in job["state"]["spec"].get("outputs", {}) if one != DEFAULT]
    return f"{', '.join(['./outputs', './logs', *named])} are stored when it ends"


def trees(job: Shape, asked: list[str]) -> Iterator[tuple[str, str, str]]:
    """Name, digest and folder of each tree that the job's node stored."""
    made = job["state"].get("outputs", {})
    for output in asked:
        if output in made:
            yield output, made[output]["digest"], folder_of(output)
    if DEFAULT in asked and (logs := job["state"].get("logs")):
        yield "logs", logs, FOLDER


def folder_of(output: str) -> str:
    return f"{FOLDER}/outputs" if output == DEFAULT else f"named-outputs/{output}"


def row(output: str, path: str, done: Downloaded) -> dict[str, Any]:
    return {"output": output, "path": path, "files": done.files, "bytes": done.size_bytes}


def left_out(job: Shape, asked: list[str]) -> Iterator[str]:
    """What the trees are without, because it could not be stored when the job ended."""
    of = {*asked, *(OF_DEFAULT if DEFAULT in asked else ())}
    named = [one for one in job["state"].get("left_out", ()) if one["output"] in of]
    for one in named:
        yield f"left out of {one['output']} when the job ended: {one['path']}: {one['reason']} ({one['code']})"
    count = job["state"].get("left_out_count", 0)
    if named and count > len(job["state"]["left_out"]):
        yield f"{count} files were left out in all; the job's log names them"
