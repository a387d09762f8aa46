"""Runs a module of ours without some of its checks, for measuring only: ``python -m bench.without CHECK MODULE [...]``.

CHECK is ``bounds`` (all of kernel/bounds.py and the count of values), ``pages`` (the checksums of SQLite's pages), or
``nothing``. They are taken out before any of our modules is imported, so there is no switch for this in the product.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from typing import Any

import msgspec

SAID = ("extra_json_schema", "description", "title", "examples")  # what a Meta says that bounds nothing


def without_bounds() -> None:
    meta = msgspec.Meta

    def unbounded_meta(**named: Any) -> msgspec.Meta:
        return meta(**{name: value for name, value in named.items() if name in SAID})

    setattr(msgspec, "Meta", unbounded_meta)  # noqa: B010
    from treering.kernel import decoding

    for name in ("check_values", "check_free"):
        setattr(decoding, name, lambda *_, **__: None)


def without_pages() -> None:
    from treering.adapters import sqlite_pages

    setattr(sqlite_pages, "load", lambda: False)  # noqa: B010


def without_nothing() -> None:
    """To be started in the same way."""


CHECKS: dict[str, Callable[[], None]] = {"bounds": without_bounds, "pages": without_pages, "nothing": without_nothing}

if __name__ == "__main__":
    check, module, *arguments = sys.argv[1:]
    CHECKS[check]()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
