"""The lines of MLflow's tracking API in the route table. What is asked most often stands first."""

from __future__ import annotations

from treering_services.gateway.mlflow import experiments, histories, inputs, metrics, runs, search
from treering_services.gateway.policy import CHANGE, CREATE, READ, Policy
from treering_services.gateway.route import Handler, Route

BASE = "/api/2.0/mlflow"


def line(method: str, path: str, handler: Handler, policy: Policy, summary: str) -> Route:
    return Route(method, f"{BASE}/{path}", handler, policy, f"MLflow: {summary}")


ROUTES: tuple[Route, ...] = (
    line("GET", "runs/get", runs.get_run, READ, "one run"),
    line("POST", "runs/log-metric", metrics.log_metric, CHANGE, "log a metric point"),
    line("POST", "runs/log-batch", metrics.log_batch, CHANGE, "log metric points, parameters and tags"),
    line("POST", "runs/create", runs.create_run, CREATE, "make a run"),
    line("POST", "runs/search", search.search_runs, READ, "find runs"),
    line("GET", "metrics/get-history", histories.get_history, READ, "the points of a metric"),
    line("GET", "metrics/get-history-bulk", histories.get_history_bulk, READ, "the points of a metric of several runs"),
    line("GET", "metrics/get-history-bulk-interval", histories.get_history_bulk_interval, READ, "a sample of them"),
    line("POST", "runs/update", runs.update_run, CHANGE, "change the status, the end or the name of a run"),
    line("POST", "runs/log-parameter", runs.log_parameter, CHANGE, "log a parameter"),
    line("POST", "runs/set-tag", runs.set_tag, CHANGE, "set a tag of a run"),
    line("POST", "runs/delete-tag", runs.delete_tag, CHANGE, "delete a tag of a run"),
    line("POST", "runs/delete", runs.delete_run, CHANGE, "delete a run"),
    line("POST", "runs/restore", runs.restore_run, CHANGE, "restore a deleted run"),
    line("POST", "runs/log-inputs", inputs.log_inputs, CHANGE, "log data sets and models a run uses"),
    line("POST", "runs/outputs", inputs.log_outputs, CHANGE, "log models a run made"),
    line("POST", "runs/log-model", inputs.log_model, CHANGE, "record a model, as clients before MLflow 3 do"),
    line("GET", "experiments/get", experiments.get_experiment, READ, "one experiment"),
    line("GET", "experiments/get-by-name", experiments.get_experiment_by_name, READ, "one experiment, by its name"),
    line("POST", "experiments/search", search.search_experiments, READ, "find experiments"),
    line("GET", "experiments/search", search.search_experiments, READ, "find experiments"),
    line("POST", "experiments/search-datasets", search.search_datasets, READ, "the data sets of experiments"),
    line("POST", "experiments/create", experiments.create_experiment, CREATE, "make an experiment"),
    line("POST", "experiments/update", experiments.update_experiment, CHANGE, "rename an experiment"),
    line("POST", "experiments/delete", experiments.delete_experiment, CHANGE, "delete an experiment with its runs"),
    line("POST", "experiments/restore", experiments.restore_experiment, CHANGE, "restore a deleted experiment"),
    line("POST", "experiments/set-experiment-tag", experiments.set_experiment_tag, CHANGE, "tag an experiment"),
    line("POST", "experiments/delete-experiment-tag", experiments.delete_experiment_tag, CHANGE, "delete such a tag"),
)
