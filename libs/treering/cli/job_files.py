"""``job download``: outputs and logs into a folder, laid out as ``az ml job download`` does.

``named-outputs/NAME`` for outputs of the YAML, ``artifacts/outputs`` for ``./outputs``, and with ``--all``
``artifacts/user_logs``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from treering.cli.lazy import Verb
from treering.cli.names import named
from treering.cli.session import Session
from treering.cli.shapes import Shape
from treering.kernel.refusal import Refused


@click.command("download", cls=Verb)
@named
@click.option("--output-name", help="Only this output; default is all of them.")
@click.option("--download-path", "-p", "folder", type=click.Path(path_type=Path), default=Path("."), help="Where to.")
@click.option("--all", "with_logs", is_flag=True, help="The logs too.")
@click.pass_obj
def download(session: Session, name: str, output_name: str | None, folder: Path, with_logs: bool) -> None:
    """Bring the outputs of a job here."""
    from treering.client.download import download_tree

    with session.client() as client:
        job = client.get(session.path("job", name))
        rows = []
        for output, (digest, target) in wanted(job, output_name, with_logs).items():
            done = download_tree(client, digest, folder / target)
            rows.append({"output": output, "path": str(folder / target), "files": done.files, "bytes": done.size_bytes})
    if not rows:
        print(f"note: job {name} ({job['status']}) has no outputs", file=sys.stderr)
    session.table(rows, {"Output": "output", "Path": "path", "Files": "files", "Bytes": "bytes"})


def wanted(job: Shape, output_name: str | None, with_logs: bool) -> dict[str, tuple[str, str]]:
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
    trees = {name: (digest, folder_of(SafePath.parse(name).text)) for name, digest in made.items()}
    if with_logs and state.get("logs"):
        trees["logs"] = (state["logs"], "artifacts")
    return trees


def folder_of(output: str) -> str:
    return "artifacts/outputs" if output == "default" else f"named-outputs/{output}"
