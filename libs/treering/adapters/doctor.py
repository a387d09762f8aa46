"""All checks of ``treering doctor`` that need no gateway, in the order in which their findings are read."""

from __future__ import annotations

from collections.abc import Iterator

from treering.adapters import doctor_log, doctor_machine, doctor_ports, doctor_replay, doctor_server, doctor_store
from treering.adapters.findings import Check, Finding, wrong
from treering.adapters.home_forms import form_faults
from treering.adapters.not_checked import unchecked, why_not
from treering.config import Home

HOME = "home"
CHECKS: dict[str, Check] = {
    HOME: doctor_store.installation,
    "disk": doctor_machine.disk,
    "descriptors": doctor_machine.descriptors,
    "clock": doctor_machine.clock,
    "keys": doctor_machine.keys,
    "program": doctor_server.program,
    "server": doctor_server.server,
    "copy": doctor_store.copy,
    "log": doctor_log.log,
    "witnesses": doctor_log.witnesses,
    "blobs": doctor_store.blobs,
    "names": doctor_store.names,
    "views": doctor_store.views,
    "replay": doctor_replay.replay,
    "deliveries": doctor_store.deliveries,
    "tools": doctor_machine.tools,
    "containment": doctor_machine.containment,
    "sandbox": doctor_machine.sandbox,
    "job ports": doctor_ports.tried_here,
}


def stands_wrongly(home: Home) -> bool:
    """Whether something of another form is seen in the home; what this user may not look into, each check says of its
    own part."""
    try:
        return any(form_faults(home))
    except OSError as error:
        if not why_not(error):
            raise
        return False


def checked(name: str, check: Check, home: Home, *, debug: bool = False) -> Iterator[Finding]:
    """What the check finds; one that fails itself is a finding, and the others go on. Where something of another form
    stands in a home, only the home is looked at, which names it: a FIFO never answers, and a folder cannot be read."""
    if name != HOME and stands_wrongly(home):
        return
    try:
        yield from check(home)
    except Exception as error:
        if why := why_not(error):
            yield unchecked(name, home.root, why)
        else:
            yield wrong(name, f"it could not be checked: {type(error).__name__}: {error}", "treering doctor --debug")
        if debug:
            raise
