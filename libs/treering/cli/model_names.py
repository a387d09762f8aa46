"""Which version of a model is meant: ``NAME:3``, ``NAME@LABEL``, ``--version``, ``--label``; else the latest."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from treering.cli.az_options import no_registry
from treering.cli.names import named
from treering.cli.session import Session
from treering.client.urls import segment

if TYPE_CHECKING:
    from treering.client.http import Client

LATEST = "latest"


def model_named(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command ``name``, ``version`` and ``label``."""
    label = click.option("-l", "--label", help="latest, or a label (alias) of the model.")
    return named(click.option("-v", "--version", help="Or NAME:VERSION.")(label(no_registry(function))))


def model_key(name: str) -> str:
    """Names that MLflow allows and a key cannot be have a digest for a key."""
    from treering.domain.registered_model import registered_model_key

    return registered_model_key(name)


def split(name: str, version: str | None, label: str | None) -> tuple[str, str, str]:
    """Name, version and label, however they were said."""
    bare, colon, number = name.partition(":")
    bare, _, word = bare.partition("@") if not colon else (bare, "", "")
    said = {one for one in (number, version) if one}, {one for one in (word, label) if one}
    if len(said[0]) + len(said[1]) > 1:
        raise click.UsageError(f"which one of {name!r}: {', '.join(sorted(said[0] | said[1]))}?")
    return bare, next(iter(said[0]), ""), next(iter(said[1]), "")


def version_path(
    session: Session, client: Client, name: str, version: str | None, label: str | None, at: str | None = None
) -> str:
    """The path of the version that is meant; a label is looked up first, as it was ``at`` a moment."""
    bare, number, word = split(name, version, label)
    key = model_key(bare)
    if number.isascii() and number.isdecimal():
        return session.path("model", f"{key}:{number}")
    # A version that is no whole number is a label of the number that it got.
    found = client.get(f"{session.path('registered_model', key)}/labels/{segment(number or word or LATEST)}", at=at)
    return session.path("model", found["name"])
