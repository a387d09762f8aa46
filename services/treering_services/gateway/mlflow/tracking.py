"""The lines of MLflow's tracking API in the route table. What is asked most often stands first."""

from __future__ import annotations

from treering_services.gateway.mlflow import experiments, histories, inputs, metrics, runs, search
from treering_services.gateway.mlflow.place import OWNER_AND_JOB
from treering_services.gateway.route import Handler, Route

BASE = "/api/2.0/mlflow"


def line(method: str, path: str, handler: Handler, summary: str) -> Route:
    return Route(method, f"{BASE}/{path}", handler, OWNER_AND_JOB, f"MLflow: {summary}")


ROUTES: tuple[Route, ...] = (
    line("GET", "runs/get", runs.get_run, "one run"),
    line("POST", "runs/log-metric", metrics.log_metric, "log a metric point"),
    line("POST", "runs/log-batch", metrics.log_batch, "log metric points, parameters and tags"),
    line("POST", "runs/create", runs.create_run, "make a run"),
    line("POST", "runs/search", search.search_runs, "find runs"),
    line("GET", "metrics/get-history", histories.get_history, "the points of a metric"),
    line("GET", "metrics/get-history-bulk", histories.get_history_bulk, "the points of a metric of several runs"),
    line("GET", "metrics/get-history-bulk-interval", histories.get_history_bulk_interval, "a sample of such points"),
    line("POST", "runs/update", runs.update_run, "change the status, the end or the name of a run"),
    line("POST", "runs/log-parameter", runs.log_parameter, "log a parameter"),
    line("POST", "runs/set-tag", runs.set_tag, "set a tag of a run"),
    line("POST", "runs/delete-tag", runs.delete_tag, "delete a tag of a run"),
    line("POST", "runs/delete", runs.delete_run, "delete a run"),
    line("POST", "runs/restore", runs.restore_run, "restore a deleted run"),
    line("POST", "runs/log-inputs", inputs.log_inputs, "log data sets and models a run uses"),
    line("POST", "runs/outputs", inputs.log_outputs, "log models a run made"),
    line("POST", "runs/log-model", inputs.log_model, "record a model, as clients before MLflow 3 do"),
    line("GET", "experiments/get", experiments.get_experiment, "one experiment"),
    line("GET", "experiments/get-by-name", experiments.get_experiment_by_name, "one experiment, by its name"),
    line("POST", "experiments/search", search.search_experiments, "find experiments"),
    line("GET", "experiments/search", search.search_experiments, "find experiments"),
    line("POST", "experiments/search-datasets", search.search_datasets, "the data sets of experiments"),
    line("POST", "experiments/create", experiments.create_experiment, "make an experiment"),
    line("POST", "experiments/update", experiments.update_experiment, "rename an experiment"),
    line("POST", "experiments/delete", experiments.delete_experiment, "delete an experiment with its runs"),
    line("POST", "experiments/restore", experiments.restore_experiment, "restore a deleted experiment"),
    line("POST", "experiments/set-experiment-tag", experiments.set_experiment_tag, "set a tag of an experiment"),
    line("POST", "experiments/delete-experiment-tag", experiments.delete_experiment_tag, "delete such a tag"),
)
