"""``treering run``: its verbs, each imported when it is called."""

from __future__ import annotations

from treering.cli.lazy import LazyGroup

VERBS = {
    "list": ("treering.cli.run_read:list_runs", "List runs, found by MLflow's search grammar."),
    "show": ("treering.cli.run_read:show", "Show a run with what it logged."),
    "metrics": ("treering.cli.run_metrics:metrics", "Every point of a run's metrics."),
    "compare": ("treering.cli.run_compare:compare", "What differs between runs."),
}

run = LazyGroup("run", lazy=VERBS, help="Read what training scripts logged.")
