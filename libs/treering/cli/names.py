"""Names of resources as arguments: ``NAME`` or ``-n NAME``, and versions where there are some."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from treering.cli.session import Session


def sets_option(required: bool = False) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command ``sets``, the values of ``--set``, which means the same in every command that has it."""
    said = "Such as tags.team=blue. Several may follow one another."
    return click.option("--set", "sets", multiple=True, required=required, metavar="PATH=VALUE...", help=said)


def named(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command ``name``, from ``-n`` or from its place, also written as azureml:NAME."""
    return naming(function, None)


def named_or_own(function: Callable[..., None]) -> Callable[..., None]:
    """The same for workspaces, where none means the one that is worked in, as with az."""
    return naming(function, lambda session: session.workspace)


def naming(function: Callable[..., None], default: Callable[[Session], str] | None) -> Callable[..., None]:
    @click.argument("place", required=False, metavar="NAME")
    @click.option("-n", "--name", "said", metavar="NAME", help="The same, as az has it.")
    @wraps(function)
    def with_name(*arguments: Any, place: str | None, said: str | None, **options: Any) -> None:
        name = one_name(place, said)
        if not name and default is None:
            raise click.UsageError("a name is missing: NAME or -n NAME")
        if not name and default is not None:
            context = click.get_current_context()
            name = default(context.ensure_object(Session))
        function(*arguments, name=name.removeprefix("azureml:"), **options)

    return with_name


def one_name(place: str | None, said: str | None) -> str:
    """The name that was given in its place, after ``-n``, or both ways alike; "" when there is none."""
    if place and said and place != said:
        raise click.UsageError(f"which one, {place!r} or {said!r}?")
    return place or said or ""


def versioned(name: str, version: str | None) -> str:
    """``name:version``, however it was said."""
    if version and ":" not in name:
        return f"{name}:{version}"
    if version and not name.endswith(f":{version}"):
        raise click.UsageError(f"which version, that of {name!r} or {version!r}?")
    return name


def pairs(texts: tuple[str, ...], option: str) -> dict[str, str]:
    """``KEY=VALUE`` texts as a dictionary."""
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise click.UsageError(f"{option} {text!r}: write KEY=VALUE")
        found[key] = value
    return found
