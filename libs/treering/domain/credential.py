"""A credential: who may do what here, since when, and a commitment to the name of the person behind it.

    (absent) --granted--> granted --renamed, rotated, name_erased--> granted --revoked--> revoked --granted--> granted

Its key says whose it is: ``user:u_1a2b``, ``publisher:ci``, ``subscriber:dash``. Secrets and people's names stay
outside the log; what is here shows that one was changed, and nothing of what it is (docs/adr/0014-names.md).
"""

from __future__ import annotations

import re
from typing import Literal, assert_never

import msgspec
from msgspec import Struct

from treering.domain.publisher_limits import check_limits
from treering.kernel.aggregate import Aggregate, Command, Event, Summary
from treering.kernel.bounds import Name, Names
from treering.kernel.refusal import Refused

NAME = re.compile(r"(?:[0-9a-f]{64})?")
FINGERPRINT = re.compile(r"(?:[0-9a-f]{16})?")
RIGHTS_MAX = 16
Sort = Literal["user", "publisher", "subscriber"]


class GrantCredential(Command, frozen=True, tag="grant"):
    """``name``: SHA-256 commitment to a person's name, in hex; ``key``: fingerprint of the secret, in hex.

    ``found``: nobody said so, it was found among the files; when it was really made is not known. ``sources`` and
    ``types`` limit what a publisher may publish (see ``publisher_limits``).
    """

    sort: Sort
    rights: Names
    name: Name = ""
    key: Name = ""
    found: bool = False
    sources: Names = []
    types: Names = []


class RenameCredential(Command, frozen=True, tag="rename"):
    name: Name


class EraseCredentialName(Command, frozen=True, tag="erase_name"):
    """The name was deleted where it was kept: what the log has of it means nothing any more."""


class RotateCredential(Command, frozen=True, tag="rotate"):
    """The secret is another one now."""

    key: Name
    found: bool = False


class RevokeCredential(Command, frozen=True, tag="revoke"):
    found: bool = False


CredentialCommand = GrantCredential | RenameCredential | EraseCredentialName | RotateCredential | RevokeCredential


class CredentialGranted(Event, frozen=True, tag="credential.granted"):
    sort: Sort
    rights: Names
    name: Name = ""
    key: Name = ""
    found: bool = False
    sources: Names = []
    types: Names = []


class CredentialRenamed(Event, frozen=True, tag="credential.renamed"):
    name: Name


class CredentialNameErased(Event, frozen=True, tag="credential.name_erased"):
    pass


class CredentialRotated(Event, frozen=True, tag="credential.rotated"):
    key: Name
    found: bool = False


class CredentialRevoked(Event, frozen=True, tag="credential.revoked"):
    found: bool = False


CredentialEvent = CredentialGranted | CredentialRenamed | CredentialNameErased | CredentialRotated | CredentialRevoked


class Credential(Struct, frozen=True, omit_defaults=True):
    """``commitment`` is to the person's name, ``key`` the secret's fingerprint."""

    status: Literal["absent", "granted", "revoked"] = "absent"
    sort: Literal["", "user", "publisher", "subscriber"] = ""
    rights: list[str] = []
    commitment: str = ""
    key: str = ""
    sources: list[str] = []
    types: list[str] = []


def evolve(state: Credential, event: CredentialEvent) -> Credential:
    match event:
        case CredentialGranted():
            limits = (event.sources, event.types)
            return Credential("granted", event.sort, event.rights, event.name, event.key, *limits)
        case CredentialRenamed():
            return msgspec.structs.replace(state, commitment=event.name)
        case CredentialNameErased():
            return msgspec.structs.replace(state, commitment="")
        case CredentialRotated():
            return msgspec.structs.replace(state, key=event.key)
        case CredentialRevoked():
            return msgspec.structs.replace(state, status="revoked")
        case _:
            assert_never(event)


def decide(state: Credential, command: CredentialCommand) -> list[CredentialEvent]:
    match command:
        case GrantCredential():
            return grant(state, command)
        case RenameCredential():
            must_be_granted(state)
            check_hex(command.name, "", needed=True)
            return [CredentialRenamed(command.name)] if command.name != state.commitment else []
        case EraseCredentialName():
            must_be_granted(state)
            return [CredentialNameErased()] if state.commitment else []
        case RotateCredential():
            must_be_granted(state)
            check_hex("", command.key)
            return [CredentialRotated(command.key, command.found)] if command.key != state.key else []
        case RevokeCredential():
            if state.status == "absent":
                must_be_granted(state)
            return [CredentialRevoked(command.found)] if state.status == "granted" else []
        case _:
            assert_never(command)


def grant(state: Credential, command: GrantCredential) -> list[CredentialEvent]:
    check_hex(command.name, command.key)
    check_limits(command.sources, command.types)
    if not 1 <= len(command.rights) <= RIGHTS_MAX:
        raise Refused("credential.invalid", f"rights has {len(command.rights)} entries; it must have 1 to {RIGHTS_MAX}")
    if state.status != "granted":
        limits = (command.sources, command.types)
        return [CredentialGranted(command.sort, command.rights, command.name, command.key, command.found, *limits)]
    held, said = (
        (state.sort, state.rights, state.commitment, state.key, state.sources, state.types),
        (command.sort, command.rights, command.name, command.key, command.sources, command.types),
    )
    if held == said:
        return []
    raise Refused("credential.exists", "it is granted otherwise already: rename, rotate, or revoke it first")


def check_hex(name: str, key: str, *, needed: bool = False) -> None:
    """Only digests: a name or a secret that got here by mistake would stay for ever."""
    if not NAME.fullmatch(name) or (needed and not name):
        raise Refused("credential.invalid", "name must be a SHA-256 commitment of 64 hex digits")
    if not FINGERPRINT.fullmatch(key):
        raise Refused("credential.invalid", "key must be a fingerprint of 16 hex digits")


def must_be_granted(state: Credential) -> None:
    if state.status != "granted":
        raise Refused("credential.absent", "there is no such credential in force")


def summary(state: Credential) -> Summary:
    return Summary(state.status, parent=state.sort, archived=state.status == "revoked")


CREDENTIAL: Aggregate[CredentialCommand, CredentialEvent, Credential] = Aggregate(
    "credential",
    state=Credential,
    commands=CredentialCommand,
    events=CredentialEvent,
    decide=decide,
    evolve=evolve,
    summary=summary,
    told={
        "credential.granted": ("sort", "rights", "name", "found", "sources", "types"),
        "credential.rotated": ("found",),
    },
)
