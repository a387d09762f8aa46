"""``job download``: outputs and logs into a folder, laid out as ``az ml job download`` does.

``artifacts/user_logs`` for its logs and ``artifacts/outputs`` for ``./outputs``; with ``--all`` also
``named-outputs/NAME`` for the outputs of the YAML.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from treering.cli.lazy import Verb
from treering.cli.names import named
from treering.cli.session import Session
from treering.cli.shapes import Shape
from treering.cli.terminal import put
from treering.kernel.refusal import Refused

DEFAULT = "default"  # the output that no YAML names: ./outputs


@click.command("download", cls=Verb)
@named
@click.option("--output-name", help="Only this output, and no logs.")
@click.option("--download-path", "-p", "folder", type=click.Path(path_type=Path), default=Path("."), help="Where to.")
@click.option("--all", "all_", is_flag=True, help="The outputs that the YAML names too.")
@click.pass_obj
def download(session: Session, name: str, output_name: str | None, folder: Path, all_: bool) -> None:
    """Bring the logs of a job and its ./outputs here; with --all, all its outputs."""
    from treering.client.download import download_tree

    with session.client() as client:
        job = client.get(session.path("job", name))
        rows = []
        for output, (digest, target) in wanted(job, output_name, all_).items():
            done = download_tree(client, digest, folder / target)
            rows.append({"output": output, "path": str(folder / target), "files": done.files, "bytes": done.size_bytes})
    if not rows:
        put(f"note: job {name} ({job['status']}) has nothing to download yet", file=sys.stderr)
    for line in left_out(job, output_name):
        put(f"note: {line}", file=sys.stderr)
    if more := named_outputs(job) if not (all_ or output_name) else []:
        put(f"note: not brought: {', '.join(more)}; --all brings them, or --output-name one", file=sys.stderr)
    session.table(rows, {"Output": "output", "Path": "path", "Files": "files", "Bytes": "bytes"})


def left_out(job: Shape, output_name: str | None) -> Iterator[str]:
    """What the trees are without, because it could not be stored when the job ended."""
    named = [one for one in job["state"].get("left_out", ()) if output_name in (None, one["output"])]
    for one in named:
        yield f"left out of {one['output']} when the job ended: {one['path']}: {one['reason']} ({one['code']})"
    count = job["state"].get("left_out_count", 0)
    if named and count > len(job["state"]["left_out"]):
        yield f"{count} files were left out in all; the job's log names them"


def named_outputs(job: Shape) -> list[str]:
    """Those of the YAML."""
    return [name for name in job["state"].get("outputs", {}) if name != DEFAULT]


def wanted(job: Shape, output_name: str | None, all_: bool) -> dict[str, tuple[str, str]]:
    """Digest and folder of each tree to bring, by the name of the output."""
    from treering.kernel.safe_path import SafePath

    state = job["state"]
    made = {name: data["digest"] for name, data in state.get("outputs", {}).items()}
    if output_name is not None and output_name not in made:
        there = ", ".join(made) or "none"
        raise Refused(
            "output.absent", f"job {job['name']} ({job['status']}) has no output {output_name!r}; it has {there}"
        )
    if output_name is not None:
        made = {output_name: made[output_name]}
    elif not all_:
        made = {name: digest for name, digest in made.items() if name == DEFAULT}
    trees = {name: (digest, folder_of(SafePath.parse(name).text)) for name, digest in made.items()}
    if output_name is None and state.get("logs"):
        trees["logs"] = (state["logs"], "artifacts")
    return trees


def folder_of(output: str) -> str:
    return "artifacts/outputs" if output == DEFAULT else f"named-outputs/{output}"
