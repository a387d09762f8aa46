"""What the log holds of secret values: where they are, and what tells whether two of them are equal."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from treering.kernel.bounds import ITEMS_MAX, Name


class Sealed(Struct, frozen=True, omit_defaults=True):
    """``reference`` is random and names the sealed file that holds the values. ``macs``, by the name of each, are HMACs
    under a key that is sealed too: of two equal values of one workspace they are equal."""

    reference: Name
    macs: Annotated[dict[Name, Name], Meta(max_length=ITEMS_MAX)]


def same_values(one: Sealed | None, other: Sealed | None) -> bool:
    """Whether they stand for the same values; the references of two sealings always differ."""
    return (one.macs if one else {}) == (other.macs if other else {})
