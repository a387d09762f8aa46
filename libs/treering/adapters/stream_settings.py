"""Are the settings that the nats-server keeps of each stream what it wrote? Its own sum stands beside them.

A server passes over a stream whose settings do not agree with their sum. The start then makes the stream again, which
finds the messages where they were, and compares all of them with the second copy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from treering.adapters.findings import Fault
from treering.adapters.highway_hash import highway_hash_64
from treering.adapters.nats_config import ACCOUNT
from treering.config import Home

SETTINGS, SUM = "meta.inf", "meta.sum"
MENDS = "a start makes the settings of the stream again, and compares its messages with the second copy"


def settings_faults(home: Home) -> Iterator[Fault]:
    for folder in sorted((home.nats / "store" / "jetstream" / ACCOUNT / "streams").glob("*")):
        if (folder / "msgs").is_dir() and (why := fault_in(folder)):
            yield Fault(folder / SETTINGS, f"{folder / SETTINGS} {why}", MENDS, fatal=False)


def remove_damaged_settings(home: Home) -> None:
    """So that the server writes them anew: it leaves a file that is there as it is."""
    for fault in list(settings_faults(home)):
        for name in (SETTINGS, SUM):
            fault.path.with_name(name).unlink(missing_ok=True)


def fault_in(folder: Path) -> str:
    settings, noted = folder / SETTINGS, folder / SUM
    for path in (settings, noted):
        if not path.is_file():
            return f"or its sum {SUM} is gone"
    key = hashlib.sha256(folder.name.encode()).digest()
    if highway_hash_64(key, settings.read_bytes()).hex().encode() != noted.read_bytes().strip():
        return f"is not what the nats-server wrote (or its sum {SUM} is not)"
    return ""
