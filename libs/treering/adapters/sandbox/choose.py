"""Finds the sandbox of this machine, by trying it."""

from __future__ import annotations

import os
from pathlib import Path

from treering.adapters.sandbox.bubblewrap import probed
from treering.adapters.sandbox.own_user import OwnUser
from treering.adapters.sandbox.port import Sandbox
from treering.adapters.sandbox.unconfined import Refusing, Unconfined
from treering.kernel.refusal import Refused

VARIABLE = "TREERING_SANDBOX"
CHOICES = ("auto", "bubblewrap", "user", "none")
ADVICE = "allow user namespaces on this machine, or start the executor with --sandbox none to run jobs without"


def asked_for(given: str | None) -> str:
    """``given``, else $TREERING_SANDBOX, else "auto". ``Refused`` ``sandbox.unknown``."""
    asked = given or os.environ.get(VARIABLE) or "auto"
    if asked not in CHOICES:
        raise Refused("sandbox.unknown", f"unknown sandbox {asked[:40]!r}; choose one of {', '.join(CHOICES)}")
    return asked


def choose_sandbox(asked: str, home: Path) -> Sandbox:
    """The sandbox named ``asked``, or with "auto" the first that works for the jobs of ``home``. Blocks for some 50 ms.

    One that does not work is never replaced by a weaker one that nobody asked for: the result refuses every job.
    """
    if asked == "none":
        return Unconfined()
    why = "a user for each job needs an executor that runs as root"
    if asked != "user":
        found, why = probed(home)
        if found is not None:
            return found
    if asked != "bubblewrap" and os.geteuid() == 0:
        return OwnUser(home)
    return Refusing(f"{why}; {ADVICE}")
