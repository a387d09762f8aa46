"""Signed notes and checkpoints as text (C2SP signed-note and tlog-checkpoint), read strictly.

A note is text, an empty line, and a line a signature; a checkpoint is a note of three lines::

    treering/5f0c2e9a71d84b36               the origin: which log
    20852163                                its size: how many commits
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2...=    the root of its tree

    — treering/5f0c2e9a71d84b36 Az3grlgtzPICa5OS8npV...=

What is read is the one way to write it, so that no byte can change without being noticed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import NamedTuple

NOTE_BYTES_MAX = 64 * 1024
SIGNATURES_MAX = 16
ED25519 = b"\x01"  # the signature type of C2SP signed-note
KEY_ID_BYTES = 4
ROOT_BYTES = 32
DASH = "\u2014"
SIZE_DIGITS_MAX = 18


class NoteInvalid(Exception):
    """These bytes are not a note, or not one that the key signed."""


class Signature(NamedTuple):
    """Who says to have signed: a key's name and id."""

    name: str
    key_id: bytes
    signature: bytes


class Note(NamedTuple):
    text: str  # with its last newline: what is signed
    signatures: tuple[Signature, ...]


class TreeHead(NamedTuple):
    """How the log was: ``root`` stands for its first ``size`` commits."""

    origin: str
    size: int
    root: bytes


def key_id(name: str, public: bytes) -> bytes:
    """The id of an Ed25519 key: short, to find the key by; it proves nothing."""
    return hashlib.sha256(name.encode() + b"\n" + ED25519 + public).digest()[:KEY_ID_BYTES]


def check_key_name(name: str) -> None:
    if not name or "+" in name or any(character.isspace() or character < " " for character in name):
        raise NoteInvalid(f"{name[:80]!r} is no name for a key: it must have no blank and no '+'")


def from_base64(text: str) -> bytes:
    """The bytes of standard base64 in its one canonical form."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not data or to_base64(data) != text:
        raise NoteInvalid(f"{text[:80]!r} is not base64")
    return data


def to_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def decimal(text: str) -> int:
    """A number without sign, blank or leading zero."""
    if not (text.isascii() and text.isdecimal() and len(text) <= SIZE_DIGITS_MAX) or str(int(text)) != text:
        raise NoteInvalid(f"{text[:80]!r} is not a number")
    return int(text)


def parse_note(data: bytes) -> Note:
    """Split a note into its text and signatures; nothing is verified yet."""
    if len(data) > NOTE_BYTES_MAX:
        raise NoteInvalid(f"a note has at most {NOTE_BYTES_MAX} bytes, this has {len(data)}")
    try:
        note = data.decode()
    except UnicodeDecodeError:
        raise NoteInvalid("a note is UTF-8 text") from None
    if any(character < " " and character != "\n" for character in note):
        raise NoteInvalid("a note has no control characters")
    text, empty_line, signatures = note.rpartition("\n\n")
    if not empty_line or not text or not signatures.endswith("\n"):
        raise NoteInvalid("a note is text, an empty line, and a line for each signature")
    lines = signatures[:-1].split("\n")
    if len(lines) > SIGNATURES_MAX:
        raise NoteInvalid(f"a note has at most {SIGNATURES_MAX} signatures")
    return Note(text + "\n", tuple(parse_signature(line) for line in lines))


def parse_signature(line: str) -> Signature:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    if dash != DASH:
        raise NoteInvalid(f"{line[:80]!r} is not a signature line")
    check_key_name(name)
    signature = from_base64(encoded)
    if len(signature) <= KEY_ID_BYTES:
        raise NoteInvalid(f"the signature of {name} is too short")
    return Signature(name, signature[:KEY_ID_BYTES], signature[KEY_ID_BYTES:])


def note_bytes(note: Note) -> bytes:
    lines = [f"{DASH} {name} {to_base64(key_id + signature)}\n" for name, key_id, signature in note.signatures]
    return (note.text + "\n" + "".join(lines)).encode()


def head_text(head: TreeHead) -> str:
    return f"{head.origin}\n{head.size}\n{to_base64(head.root)}\n"


def parse_head(text: str) -> TreeHead:
    """The tree head of a checkpoint's text. Lines behind the third mean nothing to us, as the format says."""
    lines = text.removesuffix("\n").split("\n")
    if len(lines) < 3 or not all(lines):
        raise NoteInvalid("a checkpoint has an origin, a size and a root, a line each")
    root = from_base64(lines[2])
    if len(root) != ROOT_BYTES:
        raise NoteInvalid(f"the root of a tree has {ROOT_BYTES} bytes, this has {len(root)}")
    return TreeHead(lines[0], decimal(lines[1]), root)
