"""``model download``: the files of a version into a folder of its name, as ``az ml model download`` lays them out."""

from __future__ import annotations

from pathlib import Path

import click

from treering.cli.lazy import Verb
from treering.cli.model_names import model_named, version_path
from treering.cli.notes import note
from treering.cli.session import Session


@click.command("download", cls=Verb)
@model_named
@click.option("--download-path", "-p", "folder", type=click.Path(path_type=Path), default=Path("."), help="Where to.")
@click.pass_obj
def download(session: Session, name: str, version: str | None, label: str | None, folder: Path) -> None:
    """Bring the files of a version here."""
    from treering.client.artifacts import download_artifacts
    from treering.client.download import download_tree

    with session.client() as client:
        found = client.get(version_path(session, client, name, version, label))
        spec = found["state"]["spec"]
        target = folder / found["name"].partition(":")[0]
        if spec.get("digest"):
            done = download_tree(client, spec["digest"], target)
        else:
            done = download_artifacts(client, spec.get("storage") or spec["source"], target)
    session.show({"model": found["name"], "path": str(target), "files": done.files, "bytes": done.size_bytes})
    if not done.files:
        note("this version has no files")
