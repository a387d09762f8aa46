"""Names of resources as arguments: ``NAME`` or ``-n NAME``, and versions where there are some."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click


def named(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command ``name``, from ``-n`` or from its place."""

    @click.argument("place", required=False, metavar="NAME")
    @click.option("-n", "--name", "said", metavar="NAME", help="The same, as az has it.")
    @wraps(function)
    def with_name(*arguments: Any, place: str | None, said: str | None, **options: Any) -> None:
        if place and said and place != said:
            raise click.UsageError(f"which one, {place!r} or {said!r}?")
        if not (place or said):
            raise click.UsageError("a name is missing: NAME or -n NAME")
        function(*arguments, name=place or said, **options)

    return with_name


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


def changes(texts: tuple[str, ...], tags: dict[str, str], more: tuple[str, ...] = ()) -> dict[str, Any]:
    """``--set`` of an update: ``display_name``, ``description``, one of ``more`` or ``tags.NAME`` (an empty tag is
    removed)."""
    names = ("display_name", "description", *more)
    body: dict[str, Any] = {}
    for key, value in pairs(texts, "--set").items():
        if key in names:
            body[key] = value
        elif key.startswith("tags.") and key != "tags.":
            body["tags"] = {**body.get("tags", tags), key.removeprefix("tags."): value}
        else:
            raise click.UsageError(f"--set {key}: only {', '.join(names)} and tags.NAME can be changed")
    if "tags" in body:
        body["tags"] = {name: value for name, value in body["tags"].items() if value}
    return body
