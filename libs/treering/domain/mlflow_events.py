"""What MLflow's webhooks can be told of (mlflow/entities/webhook.py of 3.18), and which kind here has it happen.

A prompt is a registered model with a tag, so its events come from the same two kinds. ``budget_policy.exceeded`` is
not among them: nothing here has a budget.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from treering.kernel.patterns import matches

MODEL_KIND = "registered_model"
VERSION_KIND = "model"
KIND_OF: Mapping[str, str] = {
    "registered_model.created": MODEL_KIND,
    "model_version.created": VERSION_KIND,
    "model_version_tag.set": VERSION_KIND,
    "model_version_tag.deleted": VERSION_KIND,
    "model_version_alias.created": MODEL_KIND,
    "model_version_alias.deleted": MODEL_KIND,
    "prompt.created": MODEL_KIND,
    "prompt_version.created": VERSION_KIND,
    "prompt_tag.set": MODEL_KIND,
    "prompt_tag.deleted": MODEL_KIND,
    "prompt_version_tag.set": VERSION_KIND,
    "prompt_version_tag.deleted": VERSION_KIND,
    "prompt_alias.created": MODEL_KIND,
    "prompt_alias.deleted": MODEL_KIND,
}


def selected(types: Iterable[str]) -> list[str]:
    """The events that ``types`` (patterns with ``*``, too) select, in their order; none selects all."""
    patterns = list(types) or ["*"]
    return list(dict.fromkeys(name for one in patterns for name in KIND_OF if matches(one, name)))


def only_kind(types: Iterable[str]) -> str:
    """The kind that all of ``types`` come from, "" when it takes both."""
    kinds = {KIND_OF[name] for name in selected(types)}
    return kinds.pop() if len(kinds) == 1 else ""
