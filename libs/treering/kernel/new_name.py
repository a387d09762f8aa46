"""What a new name may not be, whatever its kind. Names that are there already stay, and are read as ever."""

from __future__ import annotations

import re

from treering.kernel.bounds import fault_in_identifier
from treering.kernel.known_forms import is_known
from treering.kernel.refusal import Refused

MADE_KEY = re.compile(r"[a-z]-[0-9a-f]{32}")
SHOWN_CHARACTERS_MAX = 80
NAME_SECRET = "the name has a key or token in it, and names are in the record for ever; take another"


def check_new_name(kind: str, name: str) -> None:
    """Of what has its name for a key, or a key made of it. ``Refused``: ``<kind>.name_invalid`` and ``name_secret``,
    and ``<kind>.name_reserved`` for a name that looks like the key which stands for a name with other characters:
    whoever had it would have the other name, too."""
    check_visible(kind, name)
    if is_known(name):
        raise Refused(f"{kind}.name_secret", NAME_SECRET)
    if MADE_KEY.fullmatch(name):
        why = f"{name!r} looks like the key that is made for a name with spaces or other letters"
        raise Refused(f"{kind}.name_reserved", f"{why}; take a name that is no letter, '-' and 32 digits of 0-9a-f")


def check_visible(kind: str, name: str) -> None:
    """``Refused`` ``<kind>.name_invalid`` for a name that looks like another one."""
    fault = fault_in_identifier(name)
    if not fault and name != name.strip():
        fault = "it begins or ends with a blank; leave it out"
    if fault:
        raise Refused(f"{kind}.name_invalid", f"the name {name[:SHOWN_CHARACTERS_MAX]!r} is not allowed: {fault}")
