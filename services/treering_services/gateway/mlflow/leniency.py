"""What scripts mean that write their JSON themselves, for curl or requests, without MLflow's client."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from msgspec import Struct, structs

from treering.kernel.bounds import INT64_MAX

TIMES = ("timestamp", "start_time", "end_time")


def as_meant(value: dict[str, Any], type: type[Struct]) -> dict[str, Any]:
    """``value`` of a request with whole milliseconds, a metric's true as 1.0, ids of experiments as texts, and
    fields that are in camel case by their names."""
    renamed = camel_names(type)
    meant = with_numbers({renamed.get(name, name): one for name, one in value.items()})
    if isinstance(ids := meant.get("experiment_ids"), list):
        meant["experiment_ids"] = [
            str(one) if isinstance(one, int) and not isinstance(one, bool) else one for one in ids
        ]
    if isinstance(metrics := meant.get("metrics"), list):
        meant["metrics"] = [with_numbers(one) if isinstance(one, dict) else one for one in metrics]
    return meant


def with_numbers(value: dict[str, Any]) -> dict[str, Any]:
    meant = {name: int(one) if name in TIMES and is_time(one) else one for name, one in value.items()}
    if "timestamp" in meant and isinstance(meant.get("value"), bool):
        meant["value"] = float(meant["value"])
    return meant


def is_time(number: Any) -> bool:
    return isinstance(number, float) and abs(number) < INT64_MAX


@lru_cache(256)
def camel_names(type: type[Struct]) -> dict[str, str]:
    """The fields of a request as protobuf's JSON writes them, where that is another name."""
    names = [field.encode_name for field in structs.fields(type)]
    return {
        camel: name for name in names if (camel := re.sub("_([a-z])", lambda found: found[1].upper(), name)) != name
    }


@lru_cache(256)
def camel_pattern(type: type[Struct]) -> re.Pattern[bytes] | None:
    """Finds such a field in a body; None where there can be none."""
    names = "|".join(camel_names(type))
    return re.compile(f'"(?:{names})"\\s*:'.encode()) if names else None
