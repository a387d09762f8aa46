"""The keys of an installation as one piece: sealed by a passphrase, or as a file of its own to be kept apart.

Sealed: scrypt (RFC 7914) makes a key of the passphrase, AES-256-GCM encrypts, and the cost and salt are authenticated.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from treering.adapters.home_files import backed_up
from treering.adapters.nats_credentials import make_private_folder
from treering.adapters.sums import write_kept
from treering.config import Home
from treering.kernel.decoding import decode
from treering.kernel.refusal import Refused
from treering.kernel.safe_path import SafePath

MARK = b"treering-keys-1\n"
SALT_BYTES, NONCE_BYTES = 16, 12
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**15, 8, 1
SCRYPT_MEMORY_BYTES_MAX = 64 * 1024 * 1024
FILES_MAX = 10_000
FILE_BYTES_MAX = 1024 * 1024
PASSPHRASE_CHARACTERS_MIN = 12
PASSPHRASE_BYTES_MAX = 4096


class KeyFiles(Struct, frozen=True):
    """Contents by path below the home."""

    files: dict[str, bytes]


def collect(home: Home) -> bytes:
    """The token and everything in the folder of the keys, as bytes."""
    files = backed_up(home, "keys")
    if len(files) > FILES_MAX:
        raise Refused("backup.keys", f"{home.keys} has {len(files)} files, at most {FILES_MAX} are taken")
    return msgspec.json.encode(KeyFiles({str(path.relative_to(home.root)): read_key(path) for path in files}))


def read_key(path: Path) -> bytes:
    if path.stat().st_size > FILE_BYTES_MAX:
        raise Refused("backup.keys", f"{path} has more than {FILE_BYTES_MAX} bytes; that is no key")
    return path.read_bytes()


def put_back(data: bytes, home: Home) -> int:
    """Write the key files below ``home``, readable by their owner only; how many."""
    found = decode(data, KeyFiles, code="backup.keys", bytes_max=FILES_MAX * FILE_BYTES_MAX)
    for name, content in found.files.items():
        path = SafePath.parse(name).under(home.root)
        if path != home.token_file and not path.is_relative_to(home.keys):
            raise Refused("backup.keys", f"{name!r} is no key file")
        make_private_folder(path.parent)
        write_kept(path, content)
    return len(found.files)


def read_keys_apart(path: Path) -> bytes:
    """What ``--keys-to`` wrote; ``Refused("backup.keys")`` for a file that is no such thing."""
    data = path.read_bytes()
    try:
        decode(data, KeyFiles, code="backup.keys", bytes_max=FILES_MAX * FILE_BYTES_MAX)
    except Refused as refused:
        why = f"{path} does not hold the keys of a backup: {refused.detail}; give the file that --keys-to wrote"
        raise Refused(refused.code, why) from None
    return data


def read_passphrase(path: Path) -> bytes:
    """The first line of the file, which others must not be able to read; ``Refused("passphrase.invalid")``."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise Refused("passphrase.invalid", f"{path} is open to others (mode {mode:o}): set it to 600")
    with path.open("rb") as file:
        text = file.readline(PASSPHRASE_BYTES_MAX).strip()
    if len(text) < PASSPHRASE_CHARACTERS_MIN:
        raise Refused("passphrase.invalid", f"the passphrase needs at least {PASSPHRASE_CHARACTERS_MIN} characters")
    return text


def sealed(data: bytes, passphrase: bytes) -> bytes:
    salt, nonce = os.urandom(SALT_BYTES), os.urandom(NONCE_BYTES)
    head = MARK + salt + nonce
    return head + AESGCM(derived(passphrase, salt)).encrypt(nonce, data, head)


def opened(data: bytes, passphrase: bytes) -> bytes:
    """``Refused("passphrase.wrong")`` for another passphrase, and for a byte that is not what was sealed."""
    head, rest = data[: len(MARK) + SALT_BYTES + NONCE_BYTES], data[len(MARK) + SALT_BYTES + NONCE_BYTES :]
    if not head.startswith(MARK):
        raise Refused("passphrase.wrong", "the sealed keys are not in a form this release knows, or were changed")
    salt, nonce = head[len(MARK) : -NONCE_BYTES], head[-NONCE_BYTES:]
    try:
        return AESGCM(derived(passphrase, salt)).decrypt(nonce, rest, head)
    except (InvalidTag, ValueError):
        raise Refused("passphrase.wrong", "the passphrase is another one, or the sealed keys were changed") from None


def derived(passphrase: bytes, salt: bytes) -> bytes:
    return hashlib.scrypt(
        passphrase, salt=salt, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P, dklen=32, maxmem=SCRYPT_MEMORY_BYTES_MAX
    )
