"""Subscribers: programs that may watch the events of one workspace, and do nothing else.

Each is one 0600 file below the keys of the home with its token; to take the file away is to shut it out. What lets it
in over NATS too is in nats_accounts.py; that it may watch is in the log (credential/subscriber:<name>).
"""

from __future__ import annotations

import hmac
import secrets
from pathlib import Path

import msgspec
from msgspec import Struct

from treering.adapters.nats_credentials import make_private_folder
from treering.adapters.nats_users import PUBLISHER_NAME
from treering.adapters.scrubbing import know
from treering.adapters.sums import remove_kept, write_kept
from treering.kernel.decoding import decode
from treering.kernel.refusal import Refused
from treering.kernel.subjects import checked_name

PREFIX = "trs."
SECRET_BYTES = 32
TOKEN_CHARACTERS_MAX = 200


class Subscriber(Struct, frozen=True):
    name: str
    workspace: str
    token: str

    def __repr__(self) -> str:
        return f"Subscriber(name={self.name!r}, workspace={self.workspace!r})"


class Subscribers:
    """Those of one home. Names are as narrow as those of publishers: they become file names."""

    def __init__(self, keys: Path) -> None:
        self.folder = keys / "subscribers"

    def add(self, name: str, workspace: str) -> Subscriber:
        """Make it known; said twice it is the same. ``Refused("subscriber.exists")`` for another workspace."""
        make_private_folder(self.folder)
        checked_name(workspace, "workspace")
        path = self.path(name)
        if path.exists():
            known = self.load(path)
            if known.workspace != workspace:
                raise Refused("subscriber.exists", f"{name!r} watches {known.workspace!r} already; remove it first")
            return known
        made = Subscriber(name, workspace, f"{PREFIX}{name}.{secrets.token_urlsafe(SECRET_BYTES)}")
        write_kept(path, msgspec.json.encode(made))
        return made

    def all(self) -> list[Subscriber]:
        return [self.load(path) for path in sorted(self.folder.glob("*.json"))]

    def remove(self, name: str) -> None:
        """``Refused("subscriber.absent")`` when there is none."""
        if not self.path(name).exists():
            raise Refused("subscriber.absent", f"there is no subscriber {name!r}")
        remove_kept(self.path(name))

    def named(self, name: str) -> Subscriber:
        """``Refused("subscriber.absent")`` when there is none."""
        try:
            return self.load(self.path(name))
        except FileNotFoundError:
            raise Refused("subscriber.absent", f"there is no subscriber {name!r}") from None

    def read(self, token: str) -> Subscriber | None:
        """Whose token it is; None for any other text."""
        name = token.removeprefix(PREFIX).partition(".")[0]
        if not token.startswith(PREFIX) or len(token) > TOKEN_CHARACTERS_MAX or not PUBLISHER_NAME.fullmatch(name):
            return None
        try:
            known = self.load(self.path(name))
        except FileNotFoundError:
            return None
        return known if hmac.compare_digest(known.token.encode(), token.encode()) else None

    def load(self, path: Path) -> Subscriber:
        found = decode(path.read_bytes(), Subscriber, code="subscriber.malformed")
        know(found.token)
        return found

    def path(self, name: str) -> Path:
        if not PUBLISHER_NAME.fullmatch(name):
            raise Refused(
                "subscriber.name_invalid",
                f"subscriber name {name[:80]!r} is not allowed: use at most 63 letters, digits, '-' and '_', "
                "starting with a letter or digit",
            )
        return self.folder / f"{name}.json"
