"""What MLflow lets a name, a value and a batch be (mlflow/utils/validation.py of 3.18), in its words."""

from __future__ import annotations

import json
import posixpath
import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from treering.kernel.bounds import INT64_MAX
from treering_services.gateway.mlflow.errors import MlflowError, invalid

KEY_CHARACTERS_MAX = 250
PARAM_CHARACTERS_MAX = 6000
TAG_CHARACTERS_MAX = 8000
EXPERIMENT_NAME_CHARACTERS_MAX = 500
EXPERIMENT_TAG_CHARACTERS_MAX = 20_000
METRICS_MAX = 1000
PARAMS_MAX = 100
TAGS_MAX = 100
BATCH_MAX = 1000
CREATED_MAX = 1000  # tags or params of what is made; MLflow bounds only those of a batch
KEY = re.compile(r"[/\w.\- :]*")
RUN_ID = re.compile(r"[A-Za-z0-9_][\w.\-]{0,255}")
KEY_RULE = (
    "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:)"
    " and slashes (/)."
)
PATH_RULE = (
    "Names may be treated as files in certain cases, and must not resolve to other names"
    " when treated as such. This name would resolve to"
)


def invalid_value(name: str, value: object, why: str = "") -> MlflowError:
    shown = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)[:1000]
    return invalid(f"Invalid value {shown} for parameter '{name}' supplied{': ' + why if why else '.'}")


@lru_cache(4096)
def key_fault(key: str) -> str:
    """Why a key of a metric, parameter or tag cannot be; "" for one that can. Scripts use few keys, often."""
    if not KEY.fullmatch(key):
        return KEY_RULE
    resolved = posixpath.normpath(key)
    if resolved != key or key == "." or key.startswith(("..", "/")):
        return f"{PATH_RULE} {resolved!r}"
    return ""


def check_key(key: str, what: str, path: str = "key") -> None:
    """``what`` is what MLflow calls it when it is too long, ``path`` the field of the request."""
    if fault := key_fault(key):
        raise invalid_value(path, key, fault)
    check_length(what, KEY_CHARACTERS_MAX, key)


def check_length(what: str, characters_max: int, value: str) -> None:
    if len(value) > characters_max:
        raise invalid(f"'{what}' exceeds the maximum length of {characters_max} characters")


def param_value(value: str) -> str:
    """MLflow shortens what is too long and says so in its own log only; so do we."""
    return value[:PARAM_CHARACTERS_MAX]


def tag_value(value: str) -> str:
    return value[:TAG_CHARACTERS_MAX]


def check_count(what: str, count: int, count_max: int) -> None:
    if count > count_max:
        raise invalid(
            f"A batch logging request can contain at most {count_max} {what}. Got {count} {what}."
            f" Please split up {what} across multiple requests and try again."
        )


def check_batch(metrics: int, params: int, tags: int) -> None:
    check_count("metrics", metrics, METRICS_MAX)
    check_count("params", params, PARAMS_MAX)
    check_count("tags", tags, TAGS_MAX)
    check_count("metrics, params, and tags", metrics + params + tags, BATCH_MAX)


def check_unique_params(keys: Sequence[str]) -> None:
    twice = [key for key, count in Counter(keys).items() if count > 1]
    if twice:
        raise invalid(
            f"Duplicate parameter keys have been submitted: {twice}. Please ensure "
            "the request contains only one param value per param key."
        )


def check_run_id(run_id: str) -> None:
    if not RUN_ID.fullmatch(run_id):
        raise invalid_value("run_id", run_id)


def experiment_number(text: str) -> int:
    """The experiment id of a request, which MLflow's clients demand to be an integer; none means 0, Default."""
    digits = text.strip() or "0"
    if not digits.isascii() or not digits.removeprefix("-").isdigit() or len(digits) > 19:
        raise invalid(f"Invalid experiment ID '{text[:200]}'. Experiment ID must be a valid integer.")
    number = int(digits)
    return number if abs(number) <= INT64_MAX else -1


def searched_number(text: str) -> int:
    """One of the experiments that a search names: here none at all is not Default."""
    if not text.strip():
        raise invalid(f"Invalid experiment ID '{text[:200]}'. Experiment ID must be a valid integer.")
    return experiment_number(text)
