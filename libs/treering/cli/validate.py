"""``treering validate``: judge YAML files of any kind offline; a line for everything that is wrong."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from treering.cli.lazy import Verb
from treering.cli.names import sets_option
from treering.cli.session import Session
from treering.cli.terminal import put

if TYPE_CHECKING:
    from treering.specs.validate import Judgement


@click.command("validate", cls=Verb)
@click.argument("places", nargs=-1, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("-f", "--file", "files", multiple=True, type=click.Path(path_type=Path), help="The same, as az has it.")
@sets_option()
@click.pass_context
def validate(context: click.Context, places: tuple[Path, ...], files: tuple[Path, ...], sets: tuple[str, ...]) -> None:
    """Judge YAML files of any kind, without a server, as create does. Prints FILE:LINE: KEY: MESSAGE; exit 1 if one is
    refused."""
    from treering.specs.validate import judge

    if not (*files, *places):
        raise click.UsageError("which files? FILE... or -f FILE")
    session = context.ensure_object(Session)
    judgements = {str(file): judge(file, sets) for file in (*files, *places)}
    if session.output or session.query:
        session.show(
            [
                {
                    "file": file,
                    "kind": one.kind,
                    "accepted": one.accepted,
                    "submittable": one.submittable,
                    "problems": list(map(dataclasses.asdict, one.problems)),
                    **({"notes": list(map(dataclasses.asdict, one.notes))} if one.notes else {}),
                }
                for file, one in judgements.items()
            ]
        )
    else:
        for file, one in judgements.items():
            for note in one.notes:
                put(f"note: {note}")
            put("\n".join(map(str, one.problems)) if one.problems else f"{file}: {verdict(one)}")
    context.exit(0 if all(one.accepted for one in judgements.values()) else 1)


def verdict(judgement: Judgement) -> str:
    if judgement.submittable:
        return f"accepted ({judgement.kind})"
    so_far = "only command jobs can be submitted" if judgement.kind.startswith("job/") else "it cannot be created here"
    return f"accepted as Azure ML reads it ({judgement.kind}), but {so_far} so far"
