"""``treering``: the table of commands, and what happens when one of them fails.

Exit codes: 0 done, 1 refused or the job did not complete, 2 wrong usage, 3 the installation does not answer,
130 interrupted.
"""

from __future__ import annotations

import os
import sys
from typing import TextIO

import click

from treering.cli.lazy import LazyGroup
from treering.cli.terminal import put
from treering.client.errors import ApiError, Unreachable
from treering.kernel.refusal import Refused, os_words

FAILED, USAGE, UNREACHABLE, INTERRUPTED, BROKEN_PIPE = 1, 2, 3, 130, 141
DEBUG_VARIABLE = "TREERING_DEBUG"

COMMANDS = {
    "up": ("treering.cli.running:up", "Run everything on this machine, until it is told to stop."),
    "service": ("treering.cli.running:service", "Run one service of an installation."),
    "status": ("treering.cli.system:status", "Say what runs, how far it is, and whether all is ready."),
    "job": ("treering.cli.job:job", "Submit, watch and keep jobs."),
    "run": ("treering.cli.run:run", "Read what training scripts logged."),
    "model": ("treering.cli.model:model", "Register models and follow them to what made them."),
    "validate": ("treering.cli.validate:validate", "Judge YAML files of any kind, without a server."),
    "environment": ("treering.cli.resources:environment", "Environments that jobs run in."),
    "experiment": ("treering.cli.resources:experiment", "The names jobs are found under."),
    "compute": ("treering.cli.compute:compute", "Where jobs may run."),
    "node": ("treering.cli.node:node", "The machines of a compute target."),
    "workspace": ("treering.cli.resources:workspace", "The space of names everything else lives in."),
    "show": ("treering.cli.history:show", "Show any resource, now or as it was."),
    "story": ("treering.cli.history:story", "Tell what happened to a resource, and why."),
    "lifecycle": ("treering.cli.history:lifecycle", "How long a resource, or those of a kind, were in each status."),
    "diff": ("treering.cli.diff:diff", "What changed in a resource, or a workspace, between two moments."),
    "usage": ("treering.cli.usage:usage", "What jobs cost: node-seconds and bytes of outputs."),
    "stuck": ("treering.cli.usage:stuck", "What waits too long, is silent or fails again and again."),
    "events": ("treering.cli.events:events", "Read, follow and publish events."),
    "schema": ("treering.cli.event_schema:schema", "What the data of published events must look like."),
    "webhook": ("treering.cli.webhook:webhook", "Tell other programs of events over HTTP."),
    "audit": ("treering.cli.audit:audit", "Ask who did what, when."),
    "log": ("treering.cli.log:log", "Verify, prove and restore the event log."),
    "blob": ("treering.cli.blob:blob", "Check the files that the log names."),
    "witness": ("treering.cli.witness:witness", "Places that hold the newest checkpoint of the log."),
    "doctor": ("treering.cli.doctor:doctor", "Look for what is wrong, and say what to do."),
    "backup": ("treering.cli.backup:backup", "Back up everything, also while it runs."),
    "restore": ("treering.cli.backup:restore", "Make an installation of a backup."),
    "credential": ("treering.cli.access:credential", "Who may do what here, and since when."),
    "subscriber": ("treering.cli.subscriber:subscriber", "Let programs watch the events of a workspace."),
    "publisher": (
        "treering.cli.publisher:publisher",
        "Let programs publish events over NATS into a workspace.",
    ),
}


def show_version(context: click.Context, parameter: click.Parameter, asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        put(f"treering {version('treering')}")
        context.exit()


root = LazyGroup(
    "treering",
    lazy=COMMANDS,
    help="A self-hosted machine-learning platform whose every change is an immutable event.",
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 120},
)
root.params.append(
    click.Option(
        ["--version"],
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=show_version,
        help="Say which version of treering this is.",
    )
)


def main() -> None:
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Carry out one command line; the exit code. What goes wrong is one line on standard error."""
    for stream in (sys.stdout, sys.stderr):
        printable(stream)
    try:
        answer = root.main(args=arguments, prog_name="treering", standalone_mode=False)
        sys.stdout.flush()
        return answer if isinstance(answer, int) else 0
    except BrokenPipeError:
        # The reader has gone: nobody is there to be told.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except Exception as error:
        if "--debug" in arguments or os.environ.get(DEBUG_VARIABLE):
            raise
        return failed(error)
    except KeyboardInterrupt:
        return INTERRUPTED


def printable(stream: TextIO) -> None:
    """A terminal that cannot show a character shows its number, and nothing crashes."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


def failed(error: Exception) -> int:
    """Say what went wrong; the exit code that tells it to programs."""
    match error:
        case click.Abort():
            return INTERRUPTED
        case click.exceptions.NoArgsIsHelpError():
            put(error.format_message(), file=sys.stderr)
            return USAGE
        case click.ClickException():
            usage = error.ctx.get_usage() + "\n" if isinstance(error, click.UsageError) and error.ctx else ""
            put(f"{usage}error: {error.format_message()}", file=sys.stderr)
            return error.exit_code
        case Unreachable():
            put(f"error: {error.detail} ({error.code})", file=sys.stderr)
            return UNREACHABLE
        case Refused() | ApiError():
            put(f"error: {error.detail} ({error.code})", file=sys.stderr)
            return FAILED
        case OSError():
            put(f"error: {os_words(error)} (os.{type(error).__name__})", file=sys.stderr)
            return FAILED
        case _:
            put(f"error: {unexpected(error)}", file=sys.stderr)
            return FAILED


def unexpected(error: Exception) -> str:
    from treering.kernel.disk import CannotWrite

    if isinstance(error, CannotWrite):
        return f"{error}; make room, or mount it for writing, and try again (disk.full)"
    return f"{type(error).__name__}: {error} (unexpected; --debug shows where)"


if __name__ == "__main__":
    main()
