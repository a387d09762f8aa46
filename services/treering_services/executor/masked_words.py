"""Masks what an executor says in its commands: the texts for people, and nothing that names or counts something."""

from __future__ import annotations

from typing import TypeVar

from msgspec import Struct
from msgspec.structs import asdict, replace

from treering.adapters.masking import Masker

# Fields with words that the job, a program or the system chose. A name must stay what it is, whatever a secret says.
TEXTS = frozenset({"message", "reason", "path", "detail", "notes"})
Said = TypeVar("Said", bound=Struct)


def masked(said: Said, masker: Masker) -> Said:
    """The same with its texts masked, and those of what it holds."""
    changes: dict[str, object] = {}
    for name, value in asdict(said).items():
        new = masked_value(value, masker, is_text=name in TEXTS)
        if new is not value:
            changes[name] = new
    return replace(said, **changes) if changes else said


def masked_value(value: object, masker: Masker, *, is_text: bool) -> object:
    if isinstance(value, str):
        return masker.text(value) if is_text else value
    if isinstance(value, Struct):
        return masked(value, masker)
    if isinstance(value, tuple):
        return tuple(masked_value(item, masker, is_text=is_text) for item in value)
    return value
