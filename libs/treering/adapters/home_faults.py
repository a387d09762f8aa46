"""What a start and the doctor both look at before anything runs: one list of checks, so that the two agree.

A start refuses for what is ``fatal`` and warns of the rest; the doctor calls the first wrong and the rest a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from treering.adapters.findings import Fault
from treering.adapters.home_forms import form_faults
from treering.adapters.home_place import place_faults
from treering.adapters.home_whole import missing_files, missing_parts, read_only_faults
from treering.adapters.restoring import unfinished
from treering.adapters.sqlite_places import misplaced
from treering.adapters.stream_settings import settings_faults
from treering.config import Home
from treering.kernel.refusal import Refused

HomeCheck = Callable[[Home], Iterable[Fault]]
CHECKS: tuple[HomeCheck, ...] = (read_only_faults, place_faults, missing_files, misplaced, settings_faults)


def faults(home: Home, *, with_log: bool, told: bool = False) -> list[Fault]:
    """All that is found. ``with_log``: the home has a nats-server of its own; ``told``: somebody said that the home
    was moved or copied, so its place is not asked for."""
    if half := unfinished(home):
        return half
    found = [*form_faults(home), *missing_parts(home, with_log=with_log)]
    if any(one.fatal for one in found):
        return found  # The other checks read what is not there.
    for check in CHECKS:
        if not (told and check is place_faults):
            found += check(home)
    return found


def refuse(found: list[Fault]) -> list[Fault]:
    """Those that a start can do without; ``Refused`` names all when there are others."""
    fatal = [one for one in found if one.fatal]
    if fatal:
        raise Refused(fatal[0].code, "; ".join(map(str, fatal)))
    return found
