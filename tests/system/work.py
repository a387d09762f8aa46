"""The jobs of a schedule: each leaves marks outside its folder, some leave processes behind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

# The attempt's number is the end of its folder's name, which is the parent of its home.
MARK = (
    "a=${HOME%/home}; a=${a##*.}; "
    'mark() { printf "%s %s %s %s\\n" "$1" "$TREERING_JOB" "$a" "$EPOCHREALTIME" >> "$MARKS"; }; '
)
START = MARK + "mark start; "
GRANDCHILD = "(setsid sleep 300 &) ; "
BEATS = "for ((i = 0; i < {count}; i++)); do mark beat; sleep 0.04; done; "
COMMANDS = {
    "quick": START + "sleep {seconds}",
    "daemon": START + GRANDCHILD + "sleep {seconds}",
    "beats": START + GRANDCHILD + BEATS,
    "fails": START + GRANDCHILD + "sleep {seconds}; exit 3",
    "cancelled": START + GRANDCHILD + "trap '' TERM; sleep 20 & wait; sleep 20",
    "timeout": START + GRANDCHILD + "sleep 30",
    "drips": START,  # its input never comes
}
LIMIT_SECONDS = {"timeout": 0.5, "drips": 2.0}
MARK_VARIABLE = "TREERING_TEST_JOB"


@dataclass(frozen=True)
class Work:
    """One job: ``kind`` is a key of COMMANDS; ``cancel_at`` the status at which it is asked to cancel."""

    name: str
    kind: str
    command: str
    cancel_at: tuple[str, ...] = ()
    timeout_seconds: float | None = None

    def spec(self, marks: Path, drips_url: str = "") -> dict[str, Any]:
        """``drips_url``: a server whose files never come to their end."""
        found: dict[str, Any] = {
            "command": self.command,
            "environment": {},
            "environment_variables": {"MARKS": str(marks), MARK_VARIABLE: mark_of(marks, self.name)},
        }
        if self.kind == "drips":
            found["inputs"] = {"data": {"type": "uri_file", "path": f"{drips_url}/data.csv"}}
        if self.timeout_seconds is not None:
            found["timeout_seconds"] = self.timeout_seconds
        return found


def work(random: Random, name: str, kind: str) -> Work:
    seconds = f"{random.uniform(0.05, 0.6):.2f}"
    command = COMMANDS[kind].replace("{seconds}", seconds).replace("{count}", str(random.randint(5, 30)))
    cancel_at = random.choice([("Queued", "Preparing", "Running"), ("Running",)]) if kind == "cancelled" else ()
    if kind == "drips":
        cancel_at = random.choice([(), ("Preparing",)])
    return Work(name, kind, command, cancel_at, LIMIT_SECONDS.get(kind))


def mark_of(marks: Path, job: str) -> str:
    """Names a job and the installation it is of: another one beside it may have a job of that name."""
    return f"{marks}:{job}"
