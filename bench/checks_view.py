"""Fills a view and reads it by key; prints the processor time of each. For bench.checks."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.processor import own_seconds
from bench.tracking_search import filled
from treering.views.tracking.run_reads import run

RUNS = 6_000
READS = 3_000

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        began = own_seconds()
        db = filled(Path(folder) / "tracking.db", RUNS)[1]
        filled_at = own_seconds()
        for number in range(READS):
            assert run(db, "main", f"r{2 + number * 7919 % RUNS}") is not None
        print(filled_at - began, own_seconds() - filled_at)
        db.close()
