"""Where an installation keeps its things, and the few settings it has."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from treering.kernel.file_names import file_name

HOME_VARIABLE = "TREERING_HOME"
DEFAULT_PORT = 8790
CONSOLE_BYTES_MAX = 64 * 1024 * 1024


# What starts a service in a Python of its own. -P: nothing is imported from the folder it is started in.
SERVICES = ("-P", "-m", "treering_services")


def default_home() -> Path:
    """``$TREERING_HOME``, else ``~/.treering``."""
    return Path(os.environ.get(HOME_VARIABLE) or Path.home() / ".treering").absolute()


@dataclass(frozen=True)
class Home:
    """The folders of one installation. Everything in it belongs to the user who runs it (0700)."""

    root: Path = field(default_factory=default_home)

    @property
    def token_file(self) -> Path:
        return self.root / "token"

    @property
    def url_file(self) -> Path:
        """The gateway's address, written when it is ready."""
        return self.root / "url"

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    @property
    def blobs(self) -> Path:
        return self.root / "blobs"

    @property
    def environments(self) -> Path:
        return self.root / "envs"

    @property
    def copy(self) -> Path:
        """The monitor's verified second copy of the log."""
        return self.root / "copy"

    @property
    def nats(self) -> Path:
        """The store of the embedded nats-server, with its configuration and its log."""
        return self.root / "nats"

    @property
    def deliveries(self) -> Path:
        """Which webhook has been told what."""
        return self.root / "notifier" / "deliveries.db"

    @property
    def stores(self) -> tuple[Path, ...]:
        """The folders that grow with use: each must have room."""
        return (self.nats, self.blobs)

    @property
    def shims(self) -> Path:
        """What stands in for pip inside jobs."""
        return self.root / "shims"

    def runs(self, node: str) -> Path:
        """Where the executor ``node`` keeps the folders of running jobs."""
        return self.root / "runs" / file_name(node)

    def views(self, service: str) -> Path:
        return self.root / "views" / service

    def create(self) -> None:
        """Make the folders; safe to say again. What a home must not lose comes first (see ``home_whole``)."""
        for folder in (self.root, self.keys, self.blobs, self.copy, self.environments, self.root / "views"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def console_bytes_max() -> int:
    """``TREERING_CONSOLE_BYTES_MAX``: how much of the console of one attempt is kept, beside its last lines."""
    return int(os.environ.get("TREERING_CONSOLE_BYTES_MAX") or CONSOLE_BYTES_MAX)


@dataclass(frozen=True)
class Timing:
    """How long a node may be silent. ``TREERING_LEASE_SECONDS`` changes it.

    The executor kills its own jobs ``margin`` before its lease ends; the scheduler declares the node lost
    ``margin`` after: so the first is over before the second begins.
    """

    lease_seconds: float = 10.0

    @property
    def renew_seconds(self) -> float:
        return self.lease_seconds / 5

    @property
    def margin_seconds(self) -> float:
        return self.lease_seconds / 5

    @classmethod
    def from_environment(cls) -> Timing:
        return cls(float(os.environ.get("TREERING_LEASE_SECONDS") or cls.lease_seconds))


@dataclass(frozen=True)
class Thresholds:
    """From when on something is called stuck (``treering stuck``)."""

    waiting_seconds: float = 3600.0  # in a status that should pass by itself, such as Queued
    silent_seconds: float = 86_400.0  # Running, without any event
    failures: int = 3  # of one resource, or of the last jobs of an experiment

    @classmethod
    def from_environment(cls) -> Thresholds:
        """``TREERING_STUCK_WAITING_SECONDS``, ``_SILENT_SECONDS`` and ``TREERING_STUCK_FAILURES``."""
        asked = os.environ.get
        return cls(
            float(asked("TREERING_STUCK_WAITING_SECONDS") or cls.waiting_seconds),
            float(asked("TREERING_STUCK_SILENT_SECONDS") or cls.silent_seconds),
            int(asked("TREERING_STUCK_FAILURES") or cls.failures),
        )
