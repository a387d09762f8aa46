"""``run list`` and ``run show``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from treering.cli.lazy import Verb
from treering.cli.moments import MOMENT
from treering.cli.names import named
from treering.cli.notes import first
from treering.cli.run_at import runs_at
from treering.cli.run_shapes import API, RUN, experiment_names, one_run, shape
from treering.cli.session import Session
from treering.cli.shapes import Shape
from treering.kernel.refusal import Refused

if TYPE_CHECKING:
    from treering.client.http import Client

PAGE_MAX = 1000
METRIC_COLUMNS_MAX = 4
COLUMNS = {
    "Run": "run_id",
    "Name": "name",
    "Status": "status",
    "Experiment": "experiment",
    "Started": "started_at",
    "Took": "run_seconds",
}


@click.command("list", cls=Verb)
@click.option("--experiment", "-e", "names", multiple=True, metavar="NAME", help="Only of these; default is all.")
@click.option("--filter", "filter_text", default="", metavar="EXPR", help="metrics.acc > 0.9 AND params.lr = '0.1'")
@click.option("--order-by", "order_by", multiple=True, metavar="EXPR", help="metrics.acc DESC, say.")
@click.option("--max-results", "-r", type=click.IntRange(min=1), default=50, show_default=True)
@click.option("--deleted", "view", flag_value="DELETED_ONLY", help="Those that were deleted.")
@click.option("--all", "view", flag_value="ALL", help="Deleted ones too.")
@click.option("--at", type=MOMENT, metavar="POSITION|TIME|AGO", help="As the list was then, without metrics.")
@click.pass_obj
def list_runs(
    session: Session,
    names: tuple[str, ...],
    filter_text: str,
    order_by: tuple[str, ...],
    max_results: int,
    view: str | None,
    at: str | None,
) -> None:
    """List runs, the newest first; --filter and --order-by are those of mlflow.search_runs.

    Took is from MLflow's start_time to end_time; a job's run starts when the job is submitted, so this has its waiting
    and preparing in it. Ran in `job list` is from Running on.
    """
    if at and (filter_text or order_by):
        raise click.UsageError("--filter and --order-by search the present; with --at there is --experiment")
    with session.client() as client:
        if at:
            session.table(runs_at(session, client, at, names, view, max_results), COLUMNS, csv_columns=RUN)
            return
        experiments = experiment_names(client)
        body = {
            "experiment_ids": ids_of(experiments, names),
            "filter": filter_text,
            "order_by": [*order_by],
            "run_view_type": view or "ACTIVE_ONLY",
        }
        rows = [shape(run, experiments) for run in first(searched(client, body, max_results + 1), max_results)]
    session.table(rows, {**COLUMNS, **metric_columns(rows)}, csv_columns=RUN)


def ids_of(experiments: dict[str, str], names: tuple[str, ...]) -> list[str]:
    """The numbers of the experiments of these names, or of all of them."""
    by_name = {name: number for number, name in experiments.items()}
    for name in names:
        if name not in by_name:
            raise Refused("experiment.absent", f"there is no experiment {name!r}; there are {', '.join(by_name)}")
    return [by_name[name] for name in names] or list(experiments)


def searched(client: Client, body: dict[str, Any], runs_max: int) -> Iterator[Shape]:
    """Page after page, at most ``runs_max`` runs."""
    page = ""
    while runs_max > 0:
        more = {"page_token": page} if page else {}
        answer = client.post(f"{API}/runs/search", {**body, **more, "max_results": min(runs_max, PAGE_MAX)})
        found = answer.get("runs", [])
        yield from found
        runs_max -= len(found)
        page = answer.get("next_page_token", "")
        if not page or not found:
            return


def metric_columns(rows: list[Shape]) -> dict[str, str]:
    """The first few metrics; ``.`` in a key would be read as a path."""
    keys = dict.fromkeys(key for row in rows for key in row["metrics"] if "." not in key)
    return {key: f"metrics.{key}" for key in [*keys][:METRIC_COLUMNS_MAX]}


@click.command("show", cls=Verb)
@named
@click.pass_obj
def show(session: Session, name: str) -> None:
    """Show a run: its id, or the name of the job whose run it is."""
    with session.client() as client:
        found = one_run(client, name)
        experiment = client.get(f"{API}/experiments/get", experiment_id=found["info"]["experiment_id"])["experiment"]
        inputs, outputs = found.get("inputs", {}), found.get("outputs", {})
        registered = client.get(session.path("run", found["info"]["run_id"], "models"))["items"]
        session.show({
            **shape(found, {experiment["experiment_id"]: experiment["name"]}),
            "datasets": [one["dataset"] for one in inputs.get("dataset_inputs", [])],
            "models": [one["model_id"] for one in outputs.get("model_outputs", [])],
            "registered_models": [one["name"] for one in registered],
        })  # fmt: skip
