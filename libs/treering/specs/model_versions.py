"""What may be written as the version of a model: a whole number, or any word that Azure ML takes.

MLflow counts versions. So a version that is no whole number gets the next number, and the word is a label of it: Azure
ML's clients find it by the word, MLflow's by the number or the alias.
"""

from __future__ import annotations

from typing import NamedTuple

from treering.kernel.refusal import Refused
from treering.kernel.subjects import checked_name

DIGITS_MAX = 9
RESERVED = ("latest",)


class WrittenVersion(NamedTuple):
    """``number`` 0 is the next one; ``label`` is a version that is no number."""

    number: int = 0
    label: str = ""


def written_version(text: str) -> WrittenVersion:
    """Raises ``Refused("model.version")``."""
    if not text:
        return WrittenVersion()
    if text.isascii() and text.isdecimal():
        if not int(text[: DIGITS_MAX + 1]) > 0 or len(text) > DIGITS_MAX:
            raise Refused("model.version", f"version is {text[:80]!r}; a number is 1 to {'9' * DIGITS_MAX}")
        return WrittenVersion(int(text))
    try:
        label = checked_name(text, "version")
    except Refused as refused:
        raise Refused("model.version", refused.detail) from None
    if label.lower() in RESERVED:
        raise Refused("model.version", f"version is {text!r}, which always means the one with the highest number")
    return WrittenVersion(0, label)
