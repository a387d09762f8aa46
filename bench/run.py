"""Every measurement, one after the other: ``make bench``."""

from __future__ import annotations

import subprocess
import sys

MEASUREMENTS = (
    "commits",
    "replay",
    "dispatch",
    "startup",
    "proof",
    "subscribers",
    "webhooks",
    "tracking_search",
    "connections",
    "flood",
    "checks",
    "masking",
)

if __name__ == "__main__":
    for name in MEASUREMENTS:
        subprocess.run([sys.executable, "-m", f"bench.{name}"], check=True)
