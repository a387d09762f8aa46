"""Options that az ml has and that mean nothing here: taken with a note, or refused with what to do instead.
from treering.cli.notes import note

A script made for Azure ML goes on working, and whoever wrote it is told what is not carried out.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

from treering.cli.notes import note
from treering.kernel.refusal import Refused

CLOUD = "it is about a cloud; here everything is on your own machines, so it means nothing"
Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def passed_over(why: str, *options: str, flags: tuple[str, ...] = ()) -> Callable[[Decorated], Decorated]:
    """Take ``options`` (with a value) and ``flags``, and print ``why`` on standard error for each that is given."""

    def say(context: click.Context, parameter: click.Parameter, value: Any) -> None:
        if value not in (None, False, ()):
            note(f"{max(parameter.opts, key=len)}: {why}")

    return added(say, options, flags)


def refused(detail: str, *options: str, flags: tuple[str, ...] = ()) -> Callable[[Decorated], Decorated]:
    """Refuse ``options`` and ``flags`` with ``option.absent``, because to pass over them would do something else than
    was meant."""

    def refuse(context: click.Context, parameter: click.Parameter, value: Any) -> None:
        if value not in (None, False, ()):
            raise Refused("option.absent", f"{max(parameter.opts, key=len)}: {detail}")

    return added(refuse, options, flags)


def no_registry(function: Decorated) -> Decorated:
    why = "there are no registries here, only workspaces: leave it out, or download it there and create it here"
    return refused(why, "--registry-name")(function)


def no_lists(function: Decorated) -> Decorated:
    """Of updates: az has other words for what ``--set`` does."""
    why = "write --set KEY=VALUE; an empty tag is removed"
    return refused(why, "--add", "--remove", flags=("--force-string",))(function)


def yes_or_no(*names: str, help: str = "") -> Callable[[Decorated], Decorated]:
    """A flag that may be followed by a word, as with az: ``--all-results`` and ``--all-results false``."""
    return click.option(*names, is_flag=False, flag_value="true", default="false", type=click.BOOL, help=help)


def archived_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a list ``archived``: whether it is of what was archived ("true"), of all ("any"), or (None) of the rest."""

    @yes_or_no("--include-archived", help="Also those that were archived.")
    @yes_or_no("--archived-only", help="Only those.")
    @wraps(function)
    def with_archived(*arguments: Any, include_archived: bool, archived_only: bool, **options: Any) -> None:
        archived = "true" if archived_only else "any" if include_archived else None
        function(*arguments, archived=archived, **options)

    return with_archived


def at_once(function: Decorated) -> Decorated:
    return passed_over("the answer comes at once in any case", flags=("--no-wait",))(function)


def no_pages(function: Decorated) -> Decorated:
    why = "there are no web pages yet; `treering job show` and `treering story` tell what there is"
    return passed_over(why, flags=("--web|-e",))(function)


def added(
    callback: Callable[[click.Context, click.Parameter, Any], None], options: tuple[str, ...], flags: tuple[str, ...]
) -> Callable[[Decorated], Decorated]:
    def decorate(function: Decorated) -> Decorated:
        for names in options:
            settings: dict[str, Any] = {"hidden": True, "expose_value": False, "callback": callback}
            function = click.option(*names.split("|"), multiple=True, **settings)(function)
        for names in flags:
            settings = {"hidden": True, "expose_value": False, "callback": callback, "is_flag": True}
            function = click.option(*names.split("|"), **settings)(function)
        return function

    return decorate
