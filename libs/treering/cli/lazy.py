"""Groups that import a command when it is called, and options that every command takes, wherever they stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from treering.cli.az_verbs import absent_verb
from treering.cli.session import Session

SPREAD = {"--set", "--tags"}
# What filters a list, or says where: by the names of the parameters.
NEVER_EMPTY = {"workspace", "query", "status", "parent", "of_job", "tag", "prefix", "at", "version", "label", "name"}
FORMATS = ("json", "table", "yaml", "tsv", "jsonl", "csv", "jsonc", "yamlc", "none")  # the last three are az's


def remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Put a common option into the session; one further to the right counts more."""
    refuse_empty(parameter, value)
    session = context.ensure_object(Session)
    if value is not None and value is not False and parameter.name:
        setattr(session, parameter.name, value)
        session.workspace_said |= parameter.name == "workspace"


def refuse_empty(parameter: click.Parameter, value: Any) -> None:
    """An empty name or filter is a variable of a script that is not set: to leave it out would mean everything."""
    if value == "" and parameter.name in NEVER_EMPTY and parameter.default != "":
        named = max(parameter.opts, key=len)
        raise click.UsageError(f"{named} is empty: leave it out, or give it a value")


def common_options() -> list[click.Parameter]:
    def option(*names: str, **settings: Any) -> click.Option:
        return click.Option(names, expose_value=False, callback=remember, **settings)

    formats = click.Choice(FORMATS, case_sensitive=False)
    return [
        option("-w", "--workspace", "--workspace-name", "workspace", metavar="NAME", help="Default: main."),
        option(
            "-o",
            "--output",
            "output",
            type=formats,
            help="Default: for reading, or json in a pipe.",
        ),
        option("--query", "query", metavar="JMESPATH", help="Which part of the answer to show."),
        option("--home", "home", type=click.Path(path_type=Path), help="Of the installation; default ~/.treering."),
        option("--debug", "debug", is_flag=True, help="Show where an unexpected error comes from."),
        option("-g", "--resource-group", "resource_group", hidden=True),
        option("--only-show-errors", "quiet", is_flag=True, is_eager=True, hidden=True),
        option("--verbose", "verbose", is_flag=True, hidden=True),
        option("--subscription", "subscription", hidden=True),
    ]


class Verb(click.Command):
    """A command with the common options."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.params += common_options()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        rest = super().parse_args(ctx, spread(whole_names(args, self.params), self.names() & SPREAD))
        for parameter in self.params:
            if ctx.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE:
                refuse_empty(parameter, ctx.params.get(parameter.name or ""))
        return rest

    def names(self) -> set[str]:
        return {option for parameter in self.params for option in parameter.opts}


def whole_names(words: list[str], parameters: Sequence[click.Parameter]) -> list[str]:
    """The words with the beginnings of long options written out where only one option begins so, as with az."""
    options = {name: one for one in parameters if isinstance(one, click.Option) for name in one.opts}
    found: list[str] = []
    is_value = False  # of the option before it, whatever it looks like
    for place, word in enumerate(words):
        if word == "--" and not is_value:
            return [*found, *words[place:]]
        name, equals, value = word.partition("=")
        if not is_value and name.startswith("--") and name not in options:
            meant = {max(one.opts, key=len) for known, one in options.items() if known.startswith(name)}
            if len(meant) > 1:
                raise click.UsageError(f"{name} may be any of {', '.join(sorted(meant))}: write it out")
            name = next(iter(meant), name)
        found.append(name + equals + value)
        option = options.get(name)
        is_value = not is_value and option is not None and not equals and takes_value(option)
    return found


def takes_value(option: click.Option) -> bool:
    return not option.is_flag and not isinstance(option.flag_value, str)  # a flag may have a word for its value


def spread(words: list[str], options: set[str]) -> list[str]:
    """``--set a=1 b=2``, as az has it, as ``--set a=1 --set b=2``: every KEY=VALUE behind one is a further one."""
    found: list[str] = []
    current = ""  # the option that a KEY=VALUE belongs to
    for place, word in enumerate(words):
        if word == "--":
            return [*found, *words[place:]]
        is_pair = "=" in word and not word.startswith("-")
        if current and is_pair and found[-1] != current:
            found.append(current)
        option = word.partition("=")[0]
        if option in options:
            current = option
        elif not is_pair:
            current = ""
        found.append(word)
    return found


class LazyGroup(click.Group):
    """``lazy`` maps a command's name to (``module:attribute``, one line of help)."""

    command_class = Verb

    def __init__(self, *arguments: Any, lazy: Mapping[str, tuple[str, str]] = {}, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.params += common_options()
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.lazy, *(name for name in super().list_commands(ctx) if name not in self.lazy)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.lazy:
            return super().get_command(ctx, cmd_name) or absent_verb(self.name or "", cmd_name)
        module, _, attribute = self.lazy[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            from difflib import get_close_matches

            close = get_close_matches(args[0], self.list_commands(ctx), n=3)
            meant = f"did you mean {' or '.join(close)}? " if close else ""
            ctx.fail(f"there is no command {args[0][:80]!r}: {meant}`{ctx.command_path} --help` lists those there are")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, written without importing any of the lazy ones."""
        rows = [(name, help) for name, (_, help) in self.lazy.items()]
        for name in super().list_commands(ctx):
            command = super().get_command(ctx, name)
            if name not in self.lazy and command is not None and not command.hidden:
                rows.append((name, command.get_short_help_str(limit=formatter.width)))
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)
