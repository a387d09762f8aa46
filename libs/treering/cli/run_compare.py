"""``run compare``: runs side by side, what is the same left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from treering.cli.lazy import Verb
from treering.cli.run_shapes import one_run, own_tags, shape
from treering.cli.session import Session
from treering.cli.shapes import Shape

RUNS_MAX = 20
FACTS = ("status", "experiment", "run_seconds")


@click.command("compare", cls=Verb)
@click.argument("names", nargs=-1, metavar="RUN RUN ...")
@click.option("--all", "everything", is_flag=True, help="Also what is the same.")
@click.pass_obj
def compare(session: Session, names: tuple[str, ...], everything: bool) -> None:
    """What differs between runs: facts, parameters, last metrics and tags, a line each."""
    if not 2 <= len(set(names)) <= RUNS_MAX:
        raise click.UsageError(f"name 2 to {RUNS_MAX} different runs")
    with session.client() as client:
        runs = {name: shape(one_run(client, name), {}) for name in dict.fromkeys(names)}
    rows = [row for row in compared(runs) if everything or differs([row[name] for name in runs])]
    columns = {f"{run['name']} ({name[:8]})": name for name, run in runs.items()}
    session.table(rows, {"What": "what", "Key": "key", **columns})


def compared(runs: dict[str, Shape]) -> list[Shape]:
    """A row a fact, parameter, metric and tag that any of the runs has; None where a run has it not."""
    rows = [{"what": "fact", "key": fact, **{name: run[fact] for name, run in runs.items()}} for fact in FACTS]
    for what in ("params", "metrics", "tags"):
        sides = {name: own_tags(run["tags"]) if what == "tags" else run[what] for name, run in runs.items()}
        for key in sorted({key for side in sides.values() for key in side}):
            values = {name: side.get(key) for name, side in sides.items()}
            rows.append({"what": what.removesuffix("s"), "key": key, **values})
    return rows


def differs(values: Sequence[Any]) -> bool:
    return any(value != values[0] for value in values[1:])
