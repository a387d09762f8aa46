"""What scripts mean that write their JSON themselves, for curl or requests, without MLflow's client."""

from __future__ import annotations

from typing import Any

TIMES = ("timestamp", "start_time", "end_time")


def as_meant(value: dict[str, Any]) -> dict[str, Any]:
    """``value`` of a request with whole milliseconds, a metric's true as 1.0 and ids of experiments as texts."""
    meant = {name: int(one) if name in TIMES and isinstance(one, float) and is_finite(one) else one
             for name, one in value.items()}  # fmt: skip
    if "timestamp" in meant and isinstance(meant.get("value"), bool):
        meant["value"] = float(meant["value"])
    if isinstance(ids := meant.get("experiment_ids"), list):
        meant["experiment_ids"] = [str(one) if type(one) is int else one for one in ids]
    if isinstance(metrics := meant.get("metrics"), list):
        meant["metrics"] = [as_meant(one) if isinstance(one, dict) else one for one in metrics]
    return meant


def is_finite(number: float) -> bool:
    return number - number == 0
