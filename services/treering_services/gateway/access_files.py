"""What the files say about who may do what, and how that differs from what the log says."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec.structs import replace

from treering.adapters.names import Name, commitment, read_names
from treering.adapters.nats_credentials import CredentialMissing, keys_folder, read_credential
from treering.adapters.nats_users import PUBLISHER_PREFIX, publisher_user
from treering.adapters.subscribers import Subscriber, Subscribers
from treering.adapters.witnesses import WITNESSES_FILE, read_witnesses
from treering.config import Home
from treering.domain.credential import CREDENTIAL, Credential, GrantCredential, RevokeCredential, RotateCredential
from treering.domain.witness import WITNESS, AddWitness, RemoveWitness
from treering.kernel.aggregate import Command
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address

MAIN = "main"
FINGERPRINT_CHARACTERS = 16
Grants = dict[Address, GrantCredential]
Change = tuple[Address, Command]


def stamps(home: Home) -> tuple[float, ...]:
    """When the files that let somebody in were changed last, those of a folder by the folder's own time."""
    paths = (home.keys / "nats", home.keys / "subscribers", home.keys / "actors.json", home.root / WITNESSES_FILE)
    return tuple(stamp(path) for path in (*paths, home.token_file))


def stamp(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def granted_by_files(home: Home, owner: str, token: str) -> Grants:
    """``owner`` is the actor whom the owner's ``token`` stands for."""
    people = users(read_names(home), owner, token)
    return dict([*people, *publishers(home), *subscribers(Subscribers(home.keys))])


def users(names: dict[str, Name], owner: str, token: str) -> Iterator[tuple[Address, GrantCredential]]:
    for actor, name in names.items():
        key = fingerprint(actor, token) if actor == owner else ""
        yield user_address(actor), GrantCredential("user", ["everything"], commitment(actor, name), key)


def user_address(actor: str) -> Address:
    return Address(MAIN, CREDENTIAL.kind, f"user:{actor}")


def publishers(home: Home) -> Iterator[tuple[Address, GrantCredential]]:
    for path in sorted(keys_folder(home.root).glob(f"{PUBLISHER_PREFIX}*.json")):
        name = path.stem.removeprefix(PUBLISHER_PREFIX)
        try:
            credential = read_credential(home.root, publisher_user(name))
        except CredentialMissing as error:
            raise Refused("credential.unusable", str(error)) from None
        key = fingerprint(path.stem, credential.password)
        limits = (list(credential.sources), list(credential.types))
        grant = GrantCredential("publisher", ["publish"], "", key, False, *limits)
        yield publisher_address(name, credential.bound_to), grant


def publisher_address(name: str, workspace: str) -> Address:
    return Address(workspace, CREDENTIAL.kind, f"publisher:{name}")


def subscribers(known: Subscribers) -> Iterator[tuple[Address, GrantCredential]]:
    for one in known.all():
        key = fingerprint(f"subscriber-{one.name}", one.token)
        yield subscriber_address(one), GrantCredential("subscriber", ["watch"], key=key)


def subscriber_address(one: Subscriber) -> Address:
    return Address(one.workspace, CREDENTIAL.kind, f"subscriber:{one.name}")


def fingerprint(whose: str, secret: str) -> str:
    """Tells one secret from another and nothing else of it: a secret is 32 random bytes, not to be guessed."""
    return hashlib.sha256(f"treering-key-1\n{whose}\n{secret}".encode()).hexdigest()[:FINGERPRINT_CHARACTERS]


def credential_changes(wanted: Grants, held: dict[Address, Credential], found: bool) -> Iterable[Change]:
    """A person's name that is otherwise is no change but a lie: ``proven_names`` finds it, nothing records it."""
    for address, grant in wanted.items():
        state = held.get(address)
        if state is None:
            yield address, replace(grant, found=found)
        elif (state.sources, state.types) != (grant.sources, grant.types):  # removed and made for something else
            yield address, RevokeCredential(found)
            yield address, replace(grant, found=found)
        elif grant.key and state.key != grant.key:
            yield address, RotateCredential(grant.key, found)
    for address, state in held.items():
        if address not in wanted and state.sort != "user":
            yield address, RevokeCredential(found)


def witness_changes(home: Home, kept: set[Address], found: bool) -> Iterable[Change]:
    here = {Address(MAIN, WITNESS.kind, one.name): one for one in read_witnesses(home)}
    for address, one in here.items():
        if address not in kept:
            yield address, AddWitness(one.kind, one.target, one.required, found)
    for address in kept:
        if address not in here:
            yield address, RemoveWitness(found)
