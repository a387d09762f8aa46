"""``treering job``: its verbs, each imported when it is called."""

from __future__ import annotations

from treering.cli.lazy import LazyGroup

VERBS = {
    "create": ("treering.cli.job_create:create", "Submit a job from its YAML."),
    "show": ("treering.cli.job_read:show", "Show a job, now or as it was."),
    "list": ("treering.cli.job_read:list_jobs", "List jobs, the newest first."),
    "stream": ("treering.cli.job_watch:stream", "Watch a job until it ends."),
    "download": ("treering.cli.job_files:download", "Bring its logs and ./outputs here, or all it made."),
    "update": ("treering.cli.job_change:update", "Change its display name, description or tags."),
    "validate": ("treering.cli.validate:validate", "Judge its YAML, without a server."),
    "cancel": ("treering.cli.job_change:cancel", "Ask that it ends."),
    "archive": ("treering.cli.job_change:archive", "Hide it from lists."),
    "restore": ("treering.cli.job_change:restore", "Show it in lists again."),
}

job = LazyGroup("job", lazy=VERBS, help="Submit, watch and keep jobs.")
