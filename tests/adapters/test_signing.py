"""Signed notes and keys: the vectors others published, and that no byte changes unnoticed."""

from __future__ import annotations

import random
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from treering.adapters.notes import NoteInvalid, TreeHead, head_text, parse_head, parse_note
from treering.adapters.signing import (
    SigningKey,
    VerifierKey,
    make_log_key,
    parse_signing_key,
    parse_verifier_key,
    read_log_key,
    signing_key_text,
)
from treering.kernel.refusal import Refused

TRIALS = 10_000
# From the tests of Go's golang.org/x/mod/sumdb/note: a key, what it signed, and the signature (Ed25519 knows one).
SIGNER = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
VERIFIER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
SIGNED = (
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
# The example of C2SP tlog-checkpoint.
CHECKPOINT = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "\u2014 example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
)
KEY = SigningKey("treering/test", bytes(range(32)))


def test_the_published_note_is_signed_and_verified() -> None:
    note = f"{TEXT}\n{SIGNED}".encode()
    assert parse_signing_key(SIGNER).sign(TEXT) == note
    assert parse_verifier_key(VERIFIER).open(note) == TEXT
    assert str(parse_signing_key(SIGNER).verifier) == VERIFIER


def test_the_checkpoint_of_the_specification_is_read() -> None:
    note = parse_note(CHECKPOINT.encode())
    head = parse_head(note.text)
    assert (head.origin, head.size, len(head.root)) == ("example.com/behind-the-sofa", 20852163, 32)
    assert head_text(head) == note.text
    assert [(one.name, one.key_id.hex()) for one in note.signatures] == [(head.origin, "033de0ae")]


def test_any_byte_changed_in_a_checkpoint_is_found() -> None:
    chance = random.Random(1)
    notes = [KEY.sign_head(size, chance.randbytes(32)) for size in (0, 1, 9, 1_000_000)]
    missed = []
    for trial in range(TRIALS):
        changed = bytearray(chance.choice(notes))
        changed[chance.randrange(len(changed))] ^= chance.randint(1, 255)
        try:
            KEY.verifier.open_head(bytes(changed))
            missed.append(trial)
        except NoteInvalid:
            pass
    assert missed == []


def test_any_byte_changed_in_a_key_is_found() -> None:
    for text, parse in ((VERIFIER, parse_verifier_key), (SIGNER, parse_signing_key)):
        for at in range(len(text)):
            for bit in range(7):
                changed = text[:at] + chr(ord(text[at]) ^ 1 << bit) + text[at + 1 :]
                with pytest.raises(NoteInvalid):
                    parse(changed)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text\n",
        b"text\n\n",
        b"\n\n\xe2\x80\x94 a AAAAAAA=\n",
        b"text\n\n\xe2\x80\x94 a AAAAAAA=",
        b"text\n\n- a AAAAAAA=\n",
        b"text\r\n\n\xe2\x80\x94 a AAAAAAA=\n",
        b"text\n\n\xe2\x80\x94 a+b AAAAAAA=\n",
        b"text\n\n\xe2\x80\x94 a AAAA\n",
        b"text\n\n\xe2\x80\x94 a AAAAAAB=\n",
        b"text\n\n" + b"\xe2\x80\x94 a AAAAAAA=\n" * 17,
        b"\xff" * 9,
        b"x" * 70_000,
    ],
)
def test_what_is_no_note_is_refused(data: bytes) -> None:
    with pytest.raises(NoteInvalid):
        KEY.verifier.open(data)


@pytest.mark.parametrize("text", ["o\n01\n{}\n", "o\n-1\n{}\n", "o\n1\n\n{}\n", "\n1\n{}\n", "o\n1\nAAAA\n", "o\n1\n"])
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteInvalid):
        parse_head(text.format("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="))


def test_signatures_of_unknown_keys_are_ignored_and_do_not_count() -> None:
    other = SigningKey("witness.example", bytes(32))
    note = KEY.sign_head(7, bytes(32))
    cosigned = note + other.sign(parse_note(note).text).rpartition(b"\n\n")[2]
    assert KEY.verifier.open_head(cosigned) == TreeHead(KEY.name, 7, bytes(32))
    with pytest.raises(NoteInvalid, match="not signed by treering/test with this key, but by witness"):
        KEY.verifier.open(other.sign("a\n"))


def test_a_key_of_the_same_name_is_another_key() -> None:
    forged = SigningKey(KEY.name, bytes(32)).sign_head(7, bytes(32))
    with pytest.raises(NoteInvalid, match="with this key"):
        KEY.verifier.open_head(forged)
    # Nor does it help to claim the id of the key.
    as_ours = VerifierKey(KEY.name, KEY.verifier.public)
    note = parse_note(forged)
    forged = note.text.encode() + b"\n" + signature_line(as_ours.id + note.signatures[0].signature)
    with pytest.raises(NoteInvalid, match="does not fit"):
        KEY.verifier.open_head(forged)


def signature_line(data: bytes) -> bytes:
    return f"\u2014 {KEY.name} ".encode() + b64encode(data) + b"\n"


def test_of_several_who_make_the_key_at_once_all_have_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(lambda _: make_log_key(tmp_path), range(8)))) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["log.key"]


def test_the_key_of_a_log_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    key = make_log_key(tmp_path)
    assert make_log_key(tmp_path) == key == read_log_key(tmp_path)
    path = tmp_path / "log.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == signing_key_text(key)
    assert repr(key.seed) not in repr(key) and "AY" not in repr(key)
    path.chmod(0o640)
    with pytest.raises(Refused, match="open to others"):
        read_log_key(tmp_path)
    path.chmod(0o600)
    path.write_text(path.read_text()[:-9])
    with pytest.raises(Refused, match="damaged"):
        read_log_key(tmp_path)
