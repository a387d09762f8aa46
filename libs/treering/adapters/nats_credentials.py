"""NATS credentials on disk: made once, a 0600 file each in ``<home>/keys/nats``, never in argv or a log."""

from __future__ import annotations

import secrets
import stat
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from treering.adapters.nats_users import DOCTOR, OUTSIDE, ROUTE, SERVICES, inbox_of, outside_user
from treering.adapters.private_files import make_private_folder as make_private_folder
from treering.adapters.private_files import write_private as write_private
from treering.adapters.scrubbing import know
from treering.adapters.sums import write_kept
from treering.kernel.decoding import decode
from treering.kernel.refusal import Refused

PASSWORD_BYTES = 32
MAIN = "main"
CREDENTIAL_BYTES_MAX = 4096


class CredentialMissing(Exception):
    """There is no usable credential for the user; the message says which file and what to do."""


class Credential(Struct, frozen=True, omit_defaults=True):
    """What a user shows the server, and the inbox prefix the server lets it use. ``workspace``: of a program from
    outside, the only one it works in. ``sources`` and ``types``: what a publisher may publish, see
    ``domain.publisher_limits``."""

    user: str
    password: str
    inbox: str
    workspace: str = ""
    sources: tuple[str, ...] = ()
    types: tuple[str, ...] = ()

    @property
    def bound_to(self) -> str:
        """Publishers made before a credential named its workspace are of ``main``."""
        return self.workspace or MAIN

    def __repr__(self) -> str:
        return f"Credential(user={self.user!r})"


def keys_folder(home: Path) -> Path:
    return home / "keys" / "nats"


def make_credentials(home: Path) -> dict[str, Credential]:
    """Make what is missing, then return all credentials by user: services, doctor, route and who is from outside."""
    folder = keys_folder(home)
    make_private_folder(folder)
    for user in (*SERVICES, DOCTOR, ROUTE):
        make_credential(home, user)
    ours = {user: read_credential(home, user) for user in (*SERVICES, DOCTOR, ROUTE)}
    return ours | outside_credentials(home)[0]


def outside_credentials(home: Path) -> tuple[dict[str, Credential], dict[Path, str]]:
    """Those of programs from outside, and why a file lets nobody in: one that is of another name, or open to others."""
    good: dict[str, Credential] = {}
    bad: dict[Path, str] = {}
    for prefix in OUTSIDE:
        for path in sorted(keys_folder(home).glob(f"{prefix}*.json")):
            try:
                user = outside_user(prefix, path.stem.removeprefix(prefix))
                good[user] = read_credential(home, user)
            except CredentialMissing as error:
                bad[path] = str(error)
            except Refused as refused:
                bad[path] = f"{path}: {refused.detail}"
    return good, bad


def refuse_unusable(home: Path) -> None:
    """Refused("credential.unusable") for the first such file: who may do what would not be what the files say."""
    for path, why in outside_credentials(home)[1].items():
        raise Refused("credential.unusable", f"{why}. Mend or remove {path}")


def make_credential(
    home: Path, user: str, workspace: str = "", sources: Sequence[str] = (), types: Sequence[str] = ()
) -> None:
    """Write a new random credential for ``user``, unless there is one: a password is made once."""
    path = keys_folder(home) / f"{user}.json"
    if path.exists():
        return
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    credential = Credential(user, password, inbox_of(user), workspace, tuple(sources), tuple(types))
    write_kept(path, msgspec.json.encode(credential))


def read_credential(home: Path, user: str) -> Credential:
    """The credential of ``user``; CredentialMissing when it is absent, or readable by others."""
    path = keys_folder(home) / f"{user}.json"
    try:
        mode = path.stat().st_mode
        data = path.read_bytes()
    except FileNotFoundError:
        raise CredentialMissing(f"there is no NATS credential {path}: starting treering makes it") from None
    if stat.S_IMODE(mode) & 0o077:
        raise CredentialMissing(f"{path} is open to others (mode {stat.S_IMODE(mode):o}): set it to 600")
    credential = decode(data, Credential, code="credential.malformed", bytes_max=CREDENTIAL_BYTES_MAX)
    if credential.user != user:
        raise CredentialMissing(f"{path} is the credential of {credential.user!r}, not of {user!r}")
    know(credential.password)
    return credential
