"""The number by which MLflow's clients know an experiment; they demand an integer and keep it for ever."""

from __future__ import annotations

from treering.kernel.subjects import Address

DEFAULT = Address("main", "experiment", "Default")  # where MLflow's clients log when nobody names an experiment


def experiment_id(experiment: Address, first_position: int) -> int:
    """Where the experiment's first commit stands in the log; 0 for the default one."""
    return 0 if experiment == DEFAULT else first_position
