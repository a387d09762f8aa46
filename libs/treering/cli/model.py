"""``treering model``: its verbs, each imported when it is called."""

from __future__ import annotations

from treering.cli.lazy import LazyGroup

VERBS = {
    "create": ("treering.cli.model_create:create", "Register a version of a model, from files or a job's output."),
    "show": ("treering.cli.model_read:show", "Show a version, with what it was made by and of."),
    "list": ("treering.cli.model_read:list_models", "List models, or the versions of one."),
    "download": ("treering.cli.model_files:download", "Bring the files of a version here."),
    "update": ("treering.cli.model_change:update", "Change a version's description or tags."),
    "label": ("treering.cli.model_change:label", "Point a label at a version."),
    "archive": ("treering.cli.model_change:archive", "Hide a version, or a model, from lists."),
    "restore": ("treering.cli.model_change:restore", "Show it again; also what was deleted."),
    "delete": ("treering.cli.model_change:delete", "Delete a version, or a model; the record of it stays."),
}

model = LazyGroup("model", lazy=VERBS, help="Register models and follow them to what made them.")
