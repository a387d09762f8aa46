"""The client starts quickly: reading a YAML loads nothing that talks to a server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HEAVY = ("nats", "anyio", "asyncio", "starlette", "uvicorn", "rich", "structlog", "opentelemetry", "sqlite3", "uv")
LIBS = Path(__file__).resolve().parents[2] / "libs"


def test_reading_a_yaml_loads_no_heavy_module() -> None:
    program = "import sys, treering.specs.job_draft, treering.specs.validate; print(*sys.modules)"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(LIBS)})
    assert set(HEAVY).isdisjoint(done.stdout.split())
