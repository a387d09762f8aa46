"""Which names, tags, aliases and numbers MLflow's registry takes, and how it says no (mlflow/utils/validation.py)."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterable

from treering.domain.model import STAGES, Stage
from treering.domain.registered_model import VERSION_MAX
from treering_services.gateway.mlflow.errors import MlflowError, invalid, missing_value
from treering_services.gateway.mlflow.limits import KEY_CHARACTERS_MAX
from treering_services.gateway.mlflow.registry_messages import KeyValue

TAG_KEY = re.compile(r"[/\w.\- :]*")
ALIAS = re.compile(r"[\w\-]*")
VERSION_ALIAS = re.compile(r"[vV]\d+")
NAME_CHARACTERS_MAX = 256
ALIAS_CHARACTERS_MAX = 255
VALUE_CHARACTERS_MAX = 100_000
LATEST = "latest"
PROMPT_TEXT = "mlflow.prompt.text"
BY_LOWER_CASE = {stage.lower(): stage for stage in STAGES}
TAG_WORDS = (
    "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and "
    "slashes (/)."
)
ALIAS_WORDS = "Names may only contain alphanumerics, underscores (_), and dashes (-)."


def model_name(name: str, parameter: str = "name") -> str:
    """``name`` if a registered model may be called so."""
    if not name.strip():
        raise missing_value(parameter)
    if "/" in name or ":" in name:
        raise invalid(f"Invalid model name '{name[:300]}'. Names cannot contain '/' or ':'.")
    if leads_elsewhere(name):
        raise invalid(
            f"Invalid value {json.dumps(name[:300])} for parameter '{parameter}' supplied: {path_words(name)}"
        )
    check_length(parameter, name, NAME_CHARACTERS_MAX)
    return name


def tags_of(tags: Iterable[KeyValue]) -> dict[str, str]:
    """The last value of each key."""
    for tag in tags:
        check_tag(tag.key, tag.value)
    return {tag.key: tag.value for tag in tags}


def check_tag(key: str, value: str = "") -> None:
    if not TAG_KEY.fullmatch(key):
        raise invalid(f"Invalid value {json.dumps(key[:300])} for parameter 'key' supplied: {TAG_WORDS}")
    if leads_elsewhere(key):
        raise invalid(f"Invalid value {json.dumps(key[:300])} for parameter 'key' supplied: {path_words(key)}")
    check_length("key", key, KEY_CHARACTERS_MAX)
    if key == PROMPT_TEXT and len(value) > VALUE_CHARACTERS_MAX:
        raise invalid(f"Prompt text exceeds max length of {VALUE_CHARACTERS_MAX} characters.")
    check_length("value", value, VALUE_CHARACTERS_MAX)


def leads_elsewhere(name: str) -> bool:
    """Whether a name, read as a path, is another one in its plain form."""
    plain = posixpath.normpath(name)
    return plain != name or plain == "." or plain.startswith(("..", "/"))


def path_words(name: str) -> str:
    return (
        "Names may be treated as files in certain cases, and must not resolve to other names when treated as such. "
        f"This name would resolve to {posixpath.normpath(name[:300])!r}"
    )


def check_length(parameter: str, value: str, characters_max: int) -> None:
    if len(value) > characters_max:
        raise invalid(f"'{parameter}' exceeds the maximum length of {characters_max} characters")


def alias_name(alias: str) -> str:
    if not alias:
        raise invalid("Registered model alias name cannot be empty.")
    if not ALIAS.fullmatch(alias):
        raise invalid(f"Invalid alias name: '{alias[:300]}'. {ALIAS_WORDS}")
    check_length("Registered model alias name", alias, ALIAS_CHARACTERS_MAX)
    return alias


def free_alias_name(alias: str) -> str:
    """An alias that may be assigned: not one that means a version already."""
    alias_name(alias)
    if alias.lower() == LATEST:
        raise invalid("'latest' alias name (case insensitive) is reserved.")
    if VERSION_ALIAS.fullmatch(alias):
        raise invalid(f"Version alias name '{alias}' is reserved.")
    return alias


def version_number(text: str) -> int:
    """A version as a number; one that no version can have is 0."""
    try:
        number = int(text) if len(text) <= 20 else None
    except ValueError:
        number = None
    if number is None:
        raise invalid(f"Parameter 'version' must be an integer, got '{text[:100]}'.")
    return number if 0 < number <= VERSION_MAX else 0


def canonical_stage(text: str) -> Stage:
    stage = BY_LOWER_CASE.get(text.lower())
    if stage is None:
        raise invalid(f"Invalid Model Version stage: {text[:100]}. Value must be one of {', '.join(STAGES)}.")
    return stage


def exists(message: str) -> MlflowError:
    return MlflowError("RESOURCE_ALREADY_EXISTS", message)
