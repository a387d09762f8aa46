"""Collects everything that is wrong with a file, so that it is said at once and not one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from treering.kernel.refusal import Refused

SHOWN_MAX = 30


class Faults:
    """The refusals of the parts of one file."""

    def __init__(self) -> None:
        self.found: list[Refused] = []

    def add(self, refused: Refused) -> None:
        self.found.append(refused)

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Keep what is refused within, and go on."""
        try:
            yield
        except Refused as refused:
            self.found.append(refused)

    def refuse(self, code: str) -> None:
        """Raise ``Refused`` with a line for each; its code is that of all of them, else ``code``."""
        if not self.found:
            return
        codes = {one.code for one in self.found}
        lines = list(dict.fromkeys(one.detail for one in self.found))
        more = [f"and {len(lines) - SHOWN_MAX} more"] if len(lines) > SHOWN_MAX else []
        raise Refused(codes.pop() if len(codes) == 1 else code, "\n".join([*lines[:SHOWN_MAX], *more]))
