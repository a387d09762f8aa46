"""Credentials: granted once, changed openly, revoked once; only digests come near the log."""

from __future__ import annotations

import pytest

from treering.domain.credential import (
    CREDENTIAL,
    CredentialGranted,
    CredentialNameErased,
    CredentialRenamed,
    CredentialRevoked,
    CredentialRotated,
    EraseCredentialName,
    GrantCredential,
    RenameCredential,
    RevokeCredential,
    RotateCredential,
)
from treering.domain.witness import WITNESS, AddWitness, RemoveWitness, WitnessAdded, WitnessRemoved
from treering.testing.scenario import given

NAME, KEY = "a" * 64, "b" * 16
GRANTED = CredentialGranted("user", ["everything"], NAME, KEY)


def test_a_credential_is_granted_with_its_rights() -> None:
    given(CREDENTIAL).when(GrantCredential("user", ["everything"], NAME, KEY)).then(GRANTED)


def test_what_is_in_force_is_not_granted_otherwise() -> None:
    given(CREDENTIAL, GRANTED).when(GrantCredential("user", ["watch"], NAME, KEY)).is_refused("credential.exists")


def test_names_and_secrets_change_openly() -> None:
    given(CREDENTIAL, GRANTED).when(RenameCredential("c" * 64)).then(CredentialRenamed("c" * 64))
    given(CREDENTIAL, GRANTED).when(EraseCredentialName()).then(CredentialNameErased())
    given(CREDENTIAL, GRANTED).when(RotateCredential("d" * 16, found=True)).then(CredentialRotated("d" * 16, True))


def test_what_was_revoked_is_granted_again() -> None:
    given(CREDENTIAL, GRANTED).when(RevokeCredential()).then(CredentialRevoked())
    given(CREDENTIAL, GRANTED, CredentialRevoked()).when(GrantCredential("user", ["everything"], NAME, KEY)).then(
        GRANTED
    )
    given(CREDENTIAL, GRANTED, CredentialRevoked()).when(RotateCredential(KEY)).is_refused("credential.absent")


@pytest.mark.parametrize(("name", "key"), [("anna", ""), ("", "secret"), (NAME.upper(), ""), (NAME + "0", "")])
def test_a_name_or_a_secret_that_is_no_digest_never_gets_into_the_log(name: str, key: str) -> None:
    given(CREDENTIAL).when(GrantCredential("user", ["everything"], name, key)).is_refused("credential.invalid")


def test_rights_are_said() -> None:
    given(CREDENTIAL).when(GrantCredential("publisher", [])).is_refused("credential.invalid")


def test_a_witness_is_added_and_removed_once() -> None:
    added = WitnessAdded("file", "/mnt/w", True)
    given(WITNESS).when(AddWitness("file", "/mnt/w", True)).then(added)
    given(WITNESS, added).when(AddWitness("file", "/elsewhere")).is_refused("witness.exists")
    given(WITNESS, added).when(RemoveWitness()).then(WitnessRemoved())
    given(WITNESS).when(RemoveWitness()).is_refused("witness.absent")
    given(WITNESS).when(AddWitness("file", "")).is_refused("witness.invalid")


def test_the_limits_of_a_publisher_are_granted_with_it() -> None:
    command = GrantCredential("publisher", ["publish"], key=KEY, sources=["/ci/"], types=["build.*"])
    limited = CredentialGranted("publisher", ["publish"], key=KEY, sources=["/ci/"], types=["build.*"])
    given(CREDENTIAL).when(command).then(limited)
    given(CREDENTIAL, limited).when(command).nothing_happens()
    given(CREDENTIAL, limited).when(GrantCredential("publisher", ["publish"], key=KEY)).is_refused("credential.exists")


@pytest.mark.parametrize(
    ("sources", "types"),
    [([""], []), (["a b"], []), (["é"], []), (["x" * 101], []), (["/a"] * 9, []), ([], [""]), ([], ["*" * 9]),
     ([], ["x" * 101]), ([], ["a"] * 9)],
)  # fmt: skip
def test_limits_that_are_not_well_formed_are_refused(sources: list[str], types: list[str]) -> None:
    command = GrantCredential("publisher", ["publish"], sources=sources, types=types)
    given(CREDENTIAL).when(command).is_refused("credential.invalid")
